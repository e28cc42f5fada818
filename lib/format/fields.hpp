#pragma once
// Tagged fields <-> values (docs/format/operations.md, "Fields"). A field is
//
//     varint tag << 1 | required     varint length     length bytes
//
// and a record is its fields in ascending order. Writer and reader have the same members, so that one
// function says what a record consists of, for both directions:
//
//     template <class Fields>
//     void fields_of(Fields& fields, InDirection<Fields, Folder>& folder) {
//       fields.key(kFolderId, folder.id);
//       fields.number(kFolderUidnext, folder.uidnext);
//       fields.unknown(folder.unknown);
//     }
//
// It names the fields in ascending order, each once, `unknown` last. The writer leaves out what is empty or
// 0; the reader refuses whatever the writer would not have written, so that a record has one encoding.

#include <restante/model.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/text.hpp"
#include "base/wire.hpp"

namespace restante::format {

/// A record as `Fields` needs it: the reader fills it, the writer does not.
template <class Fields, class Record>
using InDirection = std::conditional_t<Fields::kReads, Record, const Record>;

/// Appends a record to a buffer that outlives it.
class FieldWriter {
 public:
  static constexpr bool kReads = false;

  explicit FieldWriter(Bytes& out) noexcept : writer_(out) {}
  FieldWriter(const FieldWriter&) = delete;
  FieldWriter& operator=(const FieldWriter&) = delete;

  void key(std::uint32_t tag, std::string_view value) { text(tag, value); }
  void text(std::uint32_t tag, std::string_view value);
  void number(std::uint32_t tag, std::uint64_t value);
  template <class Integer>
  void number(std::uint32_t tag, const std::optional<Integer>& value) {
    if (value) present_number(tag, *value);
  }
  template <class Enum>
  void choice(std::uint32_t tag, Enum value, Enum /*last*/) {
    number(tag, static_cast<std::uint64_t>(value));
  }
  void time(std::uint32_t tag, const std::optional<Time>& value);
  void id(std::uint32_t tag, const Id128& value);
  void content(std::uint32_t tag, const std::optional<ContentRef>& value);
  void mountpoint(std::uint32_t tag, const std::optional<Mountpoint>& value);
  void uids(std::uint32_t tag, const std::vector<std::uint32_t>& value);
  void texts(std::uint32_t tag, const std::vector<std::string>& value);
  void attributes(std::uint32_t tag, const Attributes& value);
  void viewer_flags(std::uint32_t tag, const std::map<std::string, std::uint32_t>& value);
  /// A field for each of `records`, also for empty ones.
  template <class Record>
  void records(std::uint32_t tag, std::uint32_t /*last_known*/, const std::vector<Record>& records) {
    Bytes bytes;
    for (const Record& record : records) {
      bytes.clear();
      FieldWriter fields(bytes);
      fields_of(fields, record);
      raw(tag, bytes);
    }
  }
  void unknown(const UnknownFields& fields);

 private:
  void header(std::uint32_t tag, std::size_t length, bool required = true);
  void raw(std::uint32_t tag, ByteView value);
  void present_number(std::uint32_t tag, std::uint64_t value);
  void composed(std::uint32_t tag);  // of what is in scratch_

  base::ByteWriter writer_;
  Bytes scratch_;
  base::ByteWriter scratch_writer_{scratch_};
};

/// Reads a record that outlives it. The first thing that is wrong makes it fail for good; what it fills then
/// is not to be used.
class FieldReader {
 public:
  static constexpr bool kReads = true;

  /// Fields up to `last_known` are of this version.
  FieldReader(ByteView record, std::uint32_t last_known) : reader_(record), last_known_(last_known) {
    next();
  }

  [[nodiscard]] bool ok() const noexcept { return error_.empty(); }
  /// What is wrong and where, in lower case.
  [[nodiscard]] const std::string& error() const noexcept { return error_; }

  /// A text without which the record is none.
  void key(std::uint32_t tag, std::string& out);
  void text(std::uint32_t tag, std::string& out);
  void number(std::uint32_t tag, std::uint32_t& out);
  void number(std::uint32_t tag, std::uint64_t& out);
  void number(std::uint32_t tag, std::optional<std::uint32_t>& out);
  void number(std::uint32_t tag, std::optional<std::uint64_t>& out);
  template <class Enum>
  void choice(std::uint32_t tag, Enum& out, Enum last) {
    std::uint32_t value = 0;
    number(tag, value);
    if (value > static_cast<std::uint32_t>(last)) return fail(base::cat("field ", tag, " has value ", value));
    out = static_cast<Enum>(value);
  }
  void time(std::uint32_t tag, std::optional<Time>& out);
  void id(std::uint32_t tag, Id128& out);
  void content(std::uint32_t tag, std::optional<ContentRef>& out);
  void mountpoint(std::uint32_t tag, std::optional<Mountpoint>& out);
  void uids(std::uint32_t tag, std::vector<std::uint32_t>& out);
  void texts(std::uint32_t tag, std::vector<std::string>& out);
  void attributes(std::uint32_t tag, Attributes& out);
  void viewer_flags(std::uint32_t tag, std::map<std::string, std::uint32_t>& out);
  template <class Record>
  void records(std::uint32_t tag, std::uint32_t last_known, std::vector<Record>& out) {
    for (; at(tag); next()) {
      FieldReader fields(value_, last_known);
      fields_of(fields, out.emplace_back());
      if (!fields.ok()) fail(base::cat("record ", out.size(), ": ", fields.error()));
    }
  }
  /// Keeps all fields that are left as they are.
  void unknown(UnknownFields& out);

 private:
  [[nodiscard]] bool at(std::uint32_t tag) const noexcept { return ok() && tag_ == tag; }
  void next();
  void fail(std::string_view what);
  void fail_field(std::string_view what);
  [[nodiscard]] std::uint64_t read_number(std::uint64_t greatest);
  // Reads the value of field `tag`, if that is the current one, and goes on. All of it must be used.
  template <class Read>
  void parts(std::uint32_t tag, const Read& read);
  template <class Map, class ReadValue>
  void map(std::uint32_t tag, Map& out, const ReadValue& read_value);

  base::ByteReader reader_;
  std::uint32_t last_known_;
  std::uint32_t tag_ = 0;  // of the current field; 0 at the end
  bool required_ = false;
  ByteView value_;
  std::string error_;
};

}  // namespace restante::format
