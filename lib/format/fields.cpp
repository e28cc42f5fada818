#include "format/fields.hpp"

#include <limits>

namespace restante::format {
namespace {

using base::ByteReader;
using base::cat;

constexpr std::uint64_t kMaxU32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kMaxU64 = std::numeric_limits<std::uint64_t>::max();

// Small magnitudes of either sign become small numbers: 0, -1, 1, -2 ... are 0, 1, 2, 3 ...
std::uint64_t zigzag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ (value < 0 ? kMaxU64 : 0);
}

std::uint64_t unzigzag(std::uint64_t value) { return value >> 1 ^ ((value & 1) != 0 ? kMaxU64 : 0); }

}  // namespace

void FieldWriter::header(std::uint32_t tag, std::size_t length, bool required) {
  writer_.varint(std::uint64_t{tag} << 1 | (required ? 1 : 0));
  writer_.varint(length);
}

void FieldWriter::raw(std::uint32_t tag, ByteView value) {
  header(tag, value.size());
  writer_.raw(value);
}

void FieldWriter::composed(std::uint32_t tag) {
  raw(tag, scratch_);
  scratch_.clear();
}

void FieldWriter::text(std::uint32_t tag, std::string_view value) {
  if (!value.empty()) raw(tag, as_bytes(value));
}

void FieldWriter::present_number(std::uint32_t tag, std::uint64_t value) {
  header(tag, base::varint_size(value));
  writer_.varint(value);
}

void FieldWriter::number(std::uint32_t tag, std::uint64_t value) {
  if (value != 0) present_number(tag, value);
}

void FieldWriter::time(std::uint32_t tag, const std::optional<Time>& value) {
  if (value) present_number(tag, zigzag(value->us));
}

void FieldWriter::id(std::uint32_t tag, const Id128& value) {
  if (!value.is_none()) raw(tag, ByteView(value.bytes));
}

void FieldWriter::content(std::uint32_t tag, const std::optional<ContentRef>& value) {
  if (!value) return;
  scratch_writer_.raw(value->digest);
  scratch_writer_.varint(value->size);
  composed(tag);
}

void FieldWriter::mountpoint(std::uint32_t tag, const std::optional<Mountpoint>& value) {
  if (!value) return;
  scratch_writer_.text(value->owner_account);
  scratch_writer_.text(value->remote_id);
  composed(tag);
}

void FieldWriter::uids(std::uint32_t tag, const std::vector<std::uint32_t>& value) {
  if (value.empty()) return;
  std::int64_t previous = 0;
  for (const std::uint32_t uid : value) {
    scratch_writer_.varint(zigzag(uid - previous));
    previous = uid;
  }
  composed(tag);
}

void FieldWriter::texts(std::uint32_t tag, const std::vector<std::string>& value) {
  if (value.empty()) return;
  for (const std::string& text : value) scratch_writer_.text(text);
  composed(tag);
}

void FieldWriter::attributes(std::uint32_t tag, const Attributes& value) {
  if (value.empty()) return;
  for (const auto& [name, text] : value) {
    scratch_writer_.text(name);
    scratch_writer_.text(text);
  }
  composed(tag);
}

void FieldWriter::viewer_flags(std::uint32_t tag, const std::map<std::string, std::uint32_t>& value) {
  if (value.empty()) return;
  for (const auto& [viewer, flags] : value) {
    scratch_writer_.text(viewer);
    scratch_writer_.varint(flags);
  }
  composed(tag);
}

void FieldWriter::unknown(const UnknownFields& fields) {
  for (const UnknownField& field : fields) {
    header(field.tag, field.bytes.size(), field.required);
    writer_.raw(as_bytes(field.bytes));
  }
}

void FieldReader::fail(std::string_view what) {
  if (ok()) error_ = what;
}

void FieldReader::fail_field(std::string_view what) { fail(cat("field ", tag_, " ", what)); }

void FieldReader::next() {
  if (!ok()) return;
  const std::uint32_t before = std::exchange(tag_, 0);
  if (reader_.remaining() == 0) return;
  const std::uint64_t head = reader_.varint();
  value_ = reader_.bytes();
  if (!reader_.ok()) return fail(cat("the field behind ", before, " does not fit"));
  if (head >> 1 == 0 || head >> 1 > kMaxU32) return fail(cat("field ", head >> 1, " cannot be"));
  tag_ = static_cast<std::uint32_t>(head >> 1);
  required_ = (head & 1) != 0;
  if (tag_ < before) fail_field("is out of order");
  if (tag_ <= last_known_ && !required_) fail_field("is not marked as required");
}

template <class Read>
void FieldReader::parts(std::uint32_t tag, const Read& read) {
  if (!at(tag)) return;
  if (value_.empty()) return fail_field("is empty but present");
  ByteReader value(value_);
  read(value);
  if (!value.ok() || value.remaining() != 0) fail_field("has a value that does not fit");
  next();
}

std::uint64_t FieldReader::read_number(std::uint64_t greatest) {
  std::uint64_t number = 0;
  const std::uint32_t tag = tag_;
  parts(tag, [&](ByteReader& value) { number = value.varint(); });
  if (number > greatest) fail(cat("field ", tag, " is out of range"));
  return number;
}

void FieldReader::key(std::uint32_t tag, std::string& out) {
  text(tag, out);
  if (out.empty()) fail(cat("no field ", tag));
}

void FieldReader::text(std::uint32_t tag, std::string& out) {
  parts(tag, [&](ByteReader& value) { out = as_text(value.raw(value.remaining())); });
}

void FieldReader::number(std::uint32_t tag, std::uint32_t& out) {
  if (!at(tag)) return;
  out = static_cast<std::uint32_t>(read_number(kMaxU32));
  if (out == 0) fail(cat("field ", tag, " is 0 but present"));
}

void FieldReader::number(std::uint32_t tag, std::uint64_t& out) {
  if (!at(tag)) return;
  out = read_number(kMaxU64);
  if (out == 0) fail(cat("field ", tag, " is 0 but present"));
}

void FieldReader::number(std::uint32_t tag, std::optional<std::uint32_t>& out) {
  if (at(tag)) out = static_cast<std::uint32_t>(read_number(kMaxU32));
}

void FieldReader::number(std::uint32_t tag, std::optional<std::uint64_t>& out) {
  if (at(tag)) out = read_number(kMaxU64);
}

void FieldReader::time(std::uint32_t tag, std::optional<Time>& out) {
  if (at(tag)) out = Time{static_cast<std::int64_t>(unzigzag(read_number(kMaxU64)))};
}

void FieldReader::id(std::uint32_t tag, Id128& out) {
  if (!at(tag)) return;
  parts(tag, [&](ByteReader& value) { out = value.id(); });
  if (out.is_none()) fail(cat("field ", tag, " is 0 but present"));
}

void FieldReader::content(std::uint32_t tag, std::optional<ContentRef>& out) {
  parts(tag, [&](ByteReader& value) {
    out.emplace();
    out->digest = value.digest();
    out->size = value.varint();
  });
}

void FieldReader::mountpoint(std::uint32_t tag, std::optional<Mountpoint>& out) {
  parts(tag, [&](ByteReader& value) {
    out.emplace();
    out->owner_account = value.text();
    out->remote_id = value.text();
  });
}

void FieldReader::uids(std::uint32_t tag, std::vector<std::uint32_t>& out) {
  parts(tag, [&](ByteReader& value) {
    std::uint64_t uid = 0;
    while (value.remaining() != 0) {
      uid += unzigzag(value.varint());  // a hostile step wraps and is out of range
      if (uid > kMaxU32) return value.fail();
      out.push_back(static_cast<std::uint32_t>(uid));
    }
  });
}

void FieldReader::texts(std::uint32_t tag, std::vector<std::string>& out) {
  parts(tag, [&](ByteReader& value) {
    while (value.remaining() != 0) out.emplace_back(value.text());
  });
}

template <class Map, class ReadValue>
void FieldReader::map(std::uint32_t tag, Map& out, const ReadValue& read_value) {
  parts(tag, [&](ByteReader& value) {
    while (value.remaining() != 0) {
      std::string name(value.text());
      if (!out.empty() && name <= out.rbegin()->first) return value.fail();
      out.emplace_hint(out.end(), std::move(name), read_value(value));
    }
  });
}

void FieldReader::attributes(std::uint32_t tag, Attributes& out) {
  map(tag, out, [](ByteReader& value) { return std::string(value.text()); });
}

void FieldReader::viewer_flags(std::uint32_t tag, std::map<std::string, std::uint32_t>& out) {
  map(tag, out, [](ByteReader& value) {
    const std::uint64_t flags = value.varint();
    if (flags > kMaxU32) value.fail();
    return static_cast<std::uint32_t>(flags);
  });
}

void FieldReader::unknown(UnknownFields& out) {
  for (; ok() && tag_ != 0; next()) {
    if (tag_ <= last_known_) return fail_field("is out of order or there twice");
    out.push_back({.tag = tag_, .required = required_, .bytes = std::string(as_text(value_))});
  }
}

}  // namespace restante::format
