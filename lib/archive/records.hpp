#pragma once
// The lines of `mailbox.jsonl` and the file `restante.json` (docs/format/archive.md). Pure.

#include <restante/archive.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace restante::archive {

inline constexpr unsigned kArchiveVersion = 1;
inline constexpr std::string_view kDescriptionName = "restante.json";
inline constexpr std::string_view kMailboxName = "mailbox.jsonl";

// Of the digest in the last line: proves that nothing was lost, not who wrote it.
inline constexpr DigestKey kArchiveDigestKey{};

// Where the bytes of a message or an item are.
struct Place {
  std::string entry;
  // In an mbox: the message's part of the entry, as quoted there.
  std::optional<std::uint64_t> offset;
  std::uint64_t length = 0;
};

// What stands at the head of an account's lines.
struct MailboxHead {
  FieldSet fields;
  LogPosition position;
  std::optional<Time> effective_time;
};

// What ends them.
struct MailboxEnd {
  std::uint64_t folders = 0;
  std::uint64_t messages = 0;
  std::uint64_t items = 0;
  StateDigest digest;
};

// `restante.json`.
struct Description {
  ArchiveLayout layout = ArchiveLayout::maildir;
  struct Mailbox {
    std::string id;
    std::string address;
    std::string directory;
  };
  std::vector<Mailbox> mailboxes;
};

[[nodiscard]] std::string encode_description(const Description& description);
// `damaged` for what is none, `unsupported` for a newer version or a required feature.
[[nodiscard]] Result<Description> decode_description(std::string_view text);

// One line, with its line feed.
[[nodiscard]] std::string encode_head(const MailboxHead& head);
// An element of a snapshot; `place` where it has content.
[[nodiscard]] std::string encode_element(const Operation& element, const Place& place);
[[nodiscard]] std::string encode_end(const MailboxEnd& end);

struct Line {
  enum class Kind { head, element, end };
  Kind kind = Kind::element;
  MailboxHead head{};
  Operation element{};
  Place place{};
  MailboxEnd end{};
};
// Any input is safe. `element` has passed `validate`. `unsupported` for a kind of line that is not known.
[[nodiscard]] Result<Line> decode_line(std::string_view line);

}  // namespace restante::archive
