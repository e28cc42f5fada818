#include <restante/state_digest.hpp>

#include <utility>

#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "model/records.hpp"

namespace restante {
inline namespace v0 {
namespace {

using base::ByteWriter;
using model::normalise;

// The numbers are part of docs/format/state-digest.md.
constexpr std::uint8_t kEncodingVersion = 1;
enum class ElementType : std::uint8_t {
  account = 1,
  folder = 2,
  message = 3,
  item = 4,
  host_op = 5,
  unknown_operation = 6,
};

// One element in one class as the bytes that are hashed: version, class, type, then each compared field as
// its number and its value. A field that is not compared leaves nothing behind.
class ElementWriter {
 public:
  ElementWriter(DigestClass digest_class, ElementType type, FieldSet fields) : fields_(fields) {
    writer_.u8(kEncodingVersion);
    writer_.u8(static_cast<std::uint8_t>(digest_class));
    writer_.u8(static_cast<std::uint8_t>(type));
  }

  // Begins a field that is always compared, or only with `field`.
  bool begins(std::uint8_t number) {
    writer_.u8(number);
    return true;
  }
  bool begins(std::uint8_t number, Field field) { return fields_.has(field) && begins(number); }

  void value(std::string_view text) { writer_.text(text); }
  void value(std::uint64_t number) { writer_.varint(number); }
  void value(const Time& time) { writer_.i64(time.us); }
  void value(const ContentRef& content) {
    writer_.raw(content.digest);
    writer_.varint(content.size);
  }
  void value(const Mountpoint& mountpoint) {
    writer_.text(mountpoint.owner_account);
    writer_.text(mountpoint.remote_id);
  }
  template <class T>
  void value(const std::optional<T>& optional) {
    writer_.u8(optional ? 1 : 0);
    if (optional) value(*optional);
  }
  void value(const std::vector<std::string>& list) {
    writer_.varint(list.size());
    for (const std::string& text : list) writer_.text(text);
  }
  template <class T>
  void value(const std::map<std::string, T>& map) {
    writer_.varint(map.size());
    for (const auto& [name, mapped] : map) {
      writer_.text(name);
      value(mapped);
    }
  }
  void value(const UnknownFields& unknown) {
    writer_.varint(unknown.size());
    for (const UnknownField& field : unknown) {
      writer_.varint(field.tag);
      writer_.text(field.bytes);
    }
  }

  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  FieldSet fields_;
  Bytes bytes_;
  ByteWriter writer_{bytes_};
};

DigestSum sum_of(const Digest& digest) {
  DigestSum sum;
  sum.bytes = digest.bytes;
  return sum;
}

// Writes what an element of a snapshot adds to each class and adds (or subtracts) its hash.
class ElementDigester {
 public:
  ElementDigester(const crypto::HmacSha256Key& key, FieldSet fields, StateDigest& digest)
      : key_(key), fields_(fields), digest_(digest) {}

  void add(const Account& account) {
    ElementWriter out = writer(DigestClass::structure, ElementType::account);
    if (out.begins(1)) out.value(account.id);
    if (out.begins(2)) out.value(account.address);
    if (out.begins(3)) out.value(account.name);
    if (out.begins(4, Field::attributes)) out.value(account.attributes);
    if (out.begins(5)) out.value(account.unknown);
    add(DigestClass::structure, out);
  }

  void add(const Folder& folder) {
    ElementWriter out = writer(DigestClass::structure, ElementType::folder);
    if (out.begins(1)) out.value(folder.id);
    if (out.begins(2)) out.value(folder.parent_id);
    if (out.begins(3)) out.value(folder.name);
    if (out.begins(4, Field::uid)) out.value(folder.uidvalidity);
    if (out.begins(7, Field::special_use)) out.value(folder.special_use);
    if (out.begins(8)) out.value(folder.role);
    if (out.begins(9)) out.value(folder.mountpoint);
    if (out.begins(10, Field::attributes)) out.value(folder.attributes);
    if (out.begins(11)) out.value(folder.unknown);
    add(DigestClass::structure, out);
    if (!fields_.has(Field::uidnext) && !fields_.has(Field::modseq)) return;
    ElementWriter counters = writer(DigestClass::counters, ElementType::folder);
    if (counters.begins(1)) counters.value(folder.id);
    if (counters.begins(5, Field::uidnext)) counters.value(folder.uidnext);
    if (counters.begins(6, Field::modseq)) counters.value(folder.highest_modseq);
    add(DigestClass::counters, counters);
  }

  void add(const Message& message) {
    ElementWriter content = writer(DigestClass::content, ElementType::message);
    write_identity(content, message);
    if (content.begins(5, Field::email_id)) content.value(message.email_id);
    if (content.begins(6, Field::thread_id)) content.value(message.thread_id);
    if (content.begins(7)) content.value(message.content);
    if (content.begins(8, Field::internal_date)) content.value(message.internal_date);
    if (content.begins(9, Field::save_date)) content.value(message.save_date);
    if (content.begins(15, Field::attributes)) content.value(message.attributes);
    if (content.begins(16)) content.value(message.unknown);
    add(DigestClass::content, content);

    ElementWriter flags = writer(DigestClass::flags, ElementType::message);
    write_identity(flags, message);
    if (flags.begins(11)) flags.value(message.flags);
    if (flags.begins(12, Field::keywords)) flags.value(message.keywords);
    if (flags.begins(13, Field::tags)) flags.value(message.tags);
    if (flags.begins(14, Field::viewer_flags)) flags.value(message.viewer_flags);
    add(DigestClass::flags, flags);

    if (!fields_.has(Field::modseq)) return;
    ElementWriter counters = writer(DigestClass::counters, ElementType::message);
    write_identity(counters, message);
    if (counters.begins(10, Field::modseq)) counters.value(message.modseq);
    add(DigestClass::counters, counters);
  }

  void add(const Item& item) {
    if (!fields_.has(Field::items)) return;
    ElementWriter out = writer(DigestClass::items, ElementType::item);
    if (out.begins(1)) out.value(item.kind);
    if (out.begins(2)) out.value(item.id);
    if (out.begins(3)) out.value(item.folder_id);
    if (out.begins(4)) out.value(item.parent);
    if (out.begins(5, Field::uid)) out.value(item.uid);
    if (out.begins(6, Field::modseq)) out.value(item.modseq);
    if (out.begins(7)) out.value(item.revision);
    if (out.begins(8)) out.value(item.flags);
    if (out.begins(9, Field::tags)) out.value(item.tags);
    if (out.begins(10)) out.value(item.content);
    if (out.begins(11, Field::attributes)) out.value(item.attributes);
    if (out.begins(12)) out.value(item.unknown);
    add(DigestClass::items, out);
  }

  void add(const HostOp& operation) {
    if (!fields_.has(Field::items)) return;
    ElementWriter out = writer(DigestClass::items, ElementType::host_op);
    if (out.begins(1)) out.value(operation.host);
    if (out.begins(2)) out.value(operation.name);
    if (out.begins(3)) out.value(operation.item_kind);
    if (out.begins(4)) out.value(operation.item_id);
    if (out.begins(5)) out.value(operation.data);
    if (out.begins(6)) out.value(operation.unknown);
    add(DigestClass::items, out);
  }

  void add(const UnknownOperation& operation) {
    if (!fields_.has(Field::items)) return;
    ElementWriter out = writer(DigestClass::items, ElementType::unknown_operation);
    if (out.begins(1)) out.value(std::uint64_t{operation.kind});
    if (out.begins(2)) out.value(operation.bytes);
    add(DigestClass::items, out);
  }

 private:
  [[nodiscard]] ElementWriter writer(DigestClass digest_class, ElementType type) const {
    return ElementWriter(digest_class, type, fields_);
  }

  // What tells a message from others, in every class. Without stable ids, content and date stand for the id.
  void write_identity(ElementWriter& out, const Message& message) const {
    if (out.begins(1)) out.value(message.folder_id);
    if (out.begins(2, Field::message_id)) out.value(message.id);
    if (out.begins(3, Field::uid)) out.value(message.uidvalidity);
    if (out.begins(4, Field::uid)) out.value(message.uid);
    if (fields_.has(Field::message_id)) return;
    if (out.begins(7)) out.value(message.content);
    if (out.begins(8, Field::internal_date)) out.value(message.internal_date);
  }

  void add(DigestClass digest_class, const ElementWriter& element) {
    digest_.classes[static_cast<std::size_t>(digest_class)] += sum_of(key_.mac(element.bytes()));
  }

  const crypto::HmacSha256Key& key_;
  FieldSet fields_;
  StateDigest& digest_;
};

// The elements of a snapshot and the folder each belongs to.
struct FolderOf {
  std::string operator()(const FolderPut& put) const { return put.folder.id; }
  std::string operator()(const MessagePut& put) const { return put.messages.front().folder_id; }
  std::string operator()(const ItemPut& put) const { return put.item.folder_id; }
  template <class Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

}  // namespace

std::string_view name_of(DigestClass digest_class) noexcept {
  static constexpr std::array<std::string_view, kDigestClasses> kNames = {"structure", "content", "flags",
                                                                          "counters", "items"};
  const auto index = static_cast<std::size_t>(digest_class);
  return index < kNames.size() ? kNames[index] : "unknown";
}

DigestSum& DigestSum::operator+=(const DigestSum& other) noexcept {
  unsigned carry = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    carry += unsigned{bytes[i]} + other.bytes[i];
    bytes[i] = static_cast<std::uint8_t>(carry);
    carry >>= 8;
  }
  return *this;
}

DigestSum& DigestSum::operator-=(const DigestSum& other) noexcept {
  unsigned borrow = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const unsigned digit = unsigned{bytes[i]} - other.bytes[i] - borrow;
    bytes[i] = static_cast<std::uint8_t>(digit);
    borrow = digit >> 8 & 1;
  }
  return *this;
}

StateDigest& StateDigest::operator+=(const StateDigest& other) noexcept {
  for (std::size_t i = 0; i < classes.size(); ++i) classes[i] += other.classes[i];
  return *this;
}

struct StateDigester::Impl {
  crypto::HmacSha256Key key;
  FieldSet fields;
  std::map<std::string, StateDigest> folders;

  Impl(const DigestKey& digest_key, FieldSet compared) : key(ByteView(digest_key.bytes)), fields(compared) {}

  // What `element` adds to each class.
  [[nodiscard]] Status hash(const Operation& element, StateDigest& out) const {
    ElementDigester digester(key, fields, out);
    if (const auto* const account = std::get_if<AccountPut>(&element)) {
      digester.add(account->account);
    } else if (const auto* const folder = std::get_if<FolderPut>(&element)) {
      digester.add(folder->folder);
    } else if (const auto* const message = std::get_if<MessagePut>(&element)) {
      if (message->messages.size() != 1) return refused(element);
      Message record = message->messages.front();
      normalise(record);
      digester.add(record);
    } else if (const auto* const item = std::get_if<ItemPut>(&element)) {
      Item record = item->item;
      normalise(record);
      digester.add(record);
    } else if (const auto* const host_op = std::get_if<HostOp>(&element)) {
      digester.add(*host_op);
    } else if (const auto* const unknown = std::get_if<UnknownOperation>(&element)) {
      digester.add(*unknown);
    } else {
      return refused(element);
    }
    return {};
  }

  [[nodiscard]] static Status refused(const Operation& element) {
    return Status(Code::invalid_argument,
                  "state digest: " + std::string(name_of(element)) + " is no element of a snapshot");
  }
};

StateDigester::StateDigester(const DigestKey& key, FieldSet fields)
    : impl_(std::make_unique<Impl>(key, fields)) {}
StateDigester::~StateDigester() = default;
StateDigester::StateDigester(StateDigester&&) noexcept = default;
StateDigester& StateDigester::operator=(StateDigester&&) noexcept = default;

Status StateDigester::add(const Operation& element) {
  StateDigest hash;
  if (Status status = impl_->hash(element, hash); !status.ok()) return status;
  if (hash != StateDigest()) impl_->folders[std::visit(FolderOf{}, element)] += hash;
  return {};
}

Status StateDigester::remove(const Operation& element) {
  StateDigest hash;
  if (Status status = impl_->hash(element, hash); !status.ok()) return status;
  if (hash == StateDigest()) return {};
  const auto folder = impl_->folders.try_emplace(std::visit(FolderOf{}, element)).first;
  for (std::size_t i = 0; i < kDigestClasses; ++i) folder->second.classes[i] -= hash.classes[i];
  if (folder->second == StateDigest()) impl_->folders.erase(folder);
  return {};
}

StateDigest StateDigester::account_digest() const {
  StateDigest sum;
  for (const auto& [folder_id, digest] : impl_->folders) sum += digest;
  return sum;
}

const std::map<std::string, StateDigest>& StateDigester::folder_digests() const noexcept {
  return impl_->folders;
}

Result<StateDigest> digest_of(OpStream& snapshot, const DigestKey& key, FieldSet fields) {
  StateDigester digester(key, fields);
  Operation element;
  while (true) {
    const Result<bool> more = snapshot.next(element);
    if (!more.ok()) return more.status();
    if (!*more) return digester.account_digest();
    if (Status status = digester.add(element); !status.ok()) return status;
  }
}

}  // namespace v0
}  // namespace restante
