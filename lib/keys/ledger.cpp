#include "keys/ledger.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "keys/secrets.hpp"

namespace restante {
inline namespace v0 {

std::string name_of(KeyRight rights) {
  if (has(rights, KeyRight::manage)) return "manage";
  std::string names;
  const auto add = [&](KeyRight right, std::string_view name) {
    if (!has(rights, right)) return;
    if (!names.empty()) names += " and ";
    names += name;
  };
  add(KeyRight::write, "write");
  add(KeyRight::read, "read");
  add(KeyRight::remove, "remove");
  return names.empty() ? "none" : names;
}

}  // namespace v0

namespace keys {
namespace {

constexpr std::string_view kEntryMagic = "RSTKEYS1";
constexpr std::string_view kEntryDomain = "restante keys 1";
constexpr std::uint16_t kEntryVersion = 1;

template <std::size_t Size>
void read_array(base::ByteReader& in, std::array<std::uint8_t, Size>& out) {
  const ByteView raw = in.raw(Size);
  std::copy(raw.begin(), raw.end(), out.begin());
}

void write_holder(base::ByteWriter& out, const Holder& holder) {
  out.u32(holder.info.number);
  out.u8(static_cast<std::uint8_t>(holder.info.kind));
  out.u8(static_cast<std::uint8_t>(holder.info.rights));
  out.raw(holder.info.server);
  out.text(holder.info.label);
  out.raw(ByteView(holder.open_key));
  out.raw(ByteView(holder.sign_key));
  out.raw(holder.vouch);
  if (holder.info.kind != KeyHolder::Kind::passphrase) return;
  out.raw(ByteView(holder.salt));
  out.u8(holder.work.log2_n);
  out.u8(holder.work.r);
  out.u8(holder.work.p);
}

Holder read_holder(base::ByteReader& in, Time added) {
  Holder holder;
  holder.info.number = in.u32();
  holder.info.kind = static_cast<KeyHolder::Kind>(in.u8());
  holder.info.rights = static_cast<KeyRight>(in.u8());
  holder.info.server = in.id();
  holder.info.label = in.text();
  holder.info.added = added;
  read_array(in, holder.open_key);
  read_array(in, holder.sign_key);
  holder.vouch = in.digest();
  if (holder.info.kind == KeyHolder::Kind::passphrase) {
    read_array(in, holder.salt);
    holder.work.log2_n = in.u8();
    holder.work.r = in.u8();
    holder.work.p = in.u8();
  }
  const auto kind = static_cast<std::uint8_t>(holder.info.kind);
  const auto rights = static_cast<std::uint8_t>(holder.info.rights);
  const bool manages = has(holder.info.rights, KeyRight::manage);
  if (kind < 1 || kind > 3 || (rights > 7 && !manages) || rights > 15 ||
      holder.info.label.size() > base::kMaxWordBytes)
    in.fail();
  return holder;
}

// The list behind its count. A hostile count ends with the bytes.
template <class Read>
auto read_list(base::ByteReader& in, const Read& read) {
  std::vector<decltype(read())> list;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) list.push_back(read());
  return list;
}

Bytes signed_statement(ByteView body) {
  Bytes statement;
  statement.reserve(kEntryDomain.size() + body.size());
  base::ByteWriter out(statement);
  out.raw(as_bytes(kEntryDomain));
  out.raw(body);
  return statement;
}

}  // namespace

std::string entry_key(std::uint64_t number) { return base::cat(kKeyPrefix, base::padded(number, 8), ".key"); }

Bytes encode_entry(const KeyEntry& entry, const crypto::Key256& authority_seed) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.raw(as_bytes(kEntryMagic));
  out.u16(kEntryVersion);
  out.u16(0);
  out.raw(entry.target);
  out.u32(entry.number);
  out.raw(entry.previous);
  out.i64(entry.time.us);
  out.raw(ByteView(entry.authority));
  out.varint(entry.epochs.size());
  for (const Epoch& epoch : entry.epochs) {
    out.u32(epoch.number);
    for (const crypto::PublicKey& key : epoch.public_keys) out.raw(ByteView(key));
  }
  out.varint(entry.holders.size());
  for (const Holder& holder : entry.holders) write_holder(out, holder);
  out.varint(entry.removals.size());
  for (const Removal& removal : entry.removals) {
    out.u32(removal.holder);
    out.u64(removal.last_trusted.number);
    out.raw(removal.last_trusted.digest);
  }
  out.varint(entry.grants.size());
  for (const Grant& grant : entry.grants) {
    out.u32(grant.holder);
    out.bytes(grant.box);
  }
  const crypto::Signature signature = crypto::ed25519_sign(authority_seed, signed_statement(bytes));
  out.raw(ByteView(signature));
  return bytes;
}

Result<KeyEntry> decode_entry(ByteView bytes, std::string_view where) {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": ", what));
  };
  crypto::Signature signature;
  if (bytes.size() < kEntryMagic.size() + 4 + signature.size() ||
      as_text(bytes.first(kEntryMagic.size())) != kEntryMagic)
    return damaged("not a key object");
  const ByteView body = bytes.first(bytes.size() - signature.size());
  std::copy(bytes.end() - static_cast<std::ptrdiff_t>(signature.size()), bytes.end(), signature.begin());
  base::ByteReader in(body.subspan(kEntryMagic.size()));
  const std::uint16_t version = in.u16();
  const std::uint16_t features = in.u16();
  if (version > kEntryVersion || features != 0)
    return Status(Code::unsupported, base::cat(where, ": made by a newer version (format ", version, ")"),
                  "use the version of restante that wrote it, or a newer one");
  KeyEntry entry;
  entry.target = in.id();
  entry.number = in.u32();
  entry.previous = in.digest();
  entry.time = Time{in.i64()};
  read_array(in, entry.authority);
  // Nothing behind the signer's key is looked at before the signature.
  if (version != kEntryVersion || !in.ok() ||
      !crypto::ed25519_verify(entry.authority, signed_statement(body), signature))
    return damaged("not what was written (its signature does not hold)");
  entry.epochs = read_list(in, [&] {
    Epoch epoch;
    epoch.number = in.u32();
    for (crypto::PublicKey& key : epoch.public_keys) read_array(in, key);
    return epoch;
  });
  entry.holders = read_list(in, [&] { return read_holder(in, entry.time); });
  entry.removals = read_list(in, [&] {
    Removal removal;
    removal.holder = in.u32();
    removal.last_trusted.number = in.u64();
    removal.last_trusted.digest = in.digest();
    return removal;
  });
  entry.grants = read_list(in, [&] {
    Grant grant;
    grant.holder = in.u32();
    const ByteView box = in.bytes();
    grant.box.assign(box.begin(), box.end());
    return grant;
  });
  if (!in.ok() || in.remaining() != 0) return damaged("signed, and not a key object");
  return entry;
}

const Holder* Ledger::find(std::uint32_t number) const& noexcept {
  return number >= 1 && number <= holders_.size() ? &holders_[number - 1] : nullptr;
}

const std::vector<Ledger::Granted>& Ledger::grants_of(std::uint32_t holder) const {
  static const std::vector<Granted> kNone;
  const auto grants = grants_.find(holder);
  return grants == grants_.end() ? kNone : grants->second;
}

Status Ledger::check_place(const KeyEntry& entry, std::string_view where) const {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": ", what));
  };
  if (entry.target != target_) return damaged(base::cat("of another target, ", entry.target.to_string()));
  if (entry.number != head_.number + 1)
    return damaged(base::cat("is number ", entry.number, " where ", head_.number + 1, " has to be"));
  if (entry.previous != head_.digest) return damaged("does not follow the one before it");
  if (head_.number > 0 && entry.authority != authority_)
    return damaged("signed by somebody else than the ones before");
  return {};
}

// What an entry may say. A manager's program is wrong where this fails, because nobody else can sign.
Status Ledger::check_rules(const KeyEntry& entry, const Ledger& after, std::string_view where) const {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": signed, and breaks a rule: ", what));
  };
  if (entry.epochs.size() > 1 || (entry.epochs.empty() && (epochs_.empty() || !entry.removals.empty())))
    return damaged("a first entry and a removal make one epoch, others one at most");
  if (!entry.epochs.empty() && entry.epochs.front().number != epochs_.size() + 1)
    return damaged("epochs count from 1");
  std::size_t passphrases = 0;
  std::size_t managers = 0;
  for (const Holder& holder : after.holders_) {
    if (holder.info.removed) continue;
    const bool by_passphrase = holder.info.kind == KeyHolder::Kind::passphrase;
    passphrases += by_passphrase ? 1 : 0;
    managers += has(holder.info.rights, KeyRight::manage) ? 1 : 0;
    if (by_passphrase && !crypto::check_scrypt_work(holder.work).ok())
      return damaged("a passphrase asks for an unreasonable amount of work");
  }
  if (managers == 0) return damaged("nobody is left who may manage");
  if (passphrases > base::kMaxPassphrases || after.holders_.size() > base::kMaxKeyHolders)
    return damaged("too many holders");
  std::vector<std::uint32_t> granted;
  for (const Grant& grant : entry.grants) {
    const Holder* const holder = after.find(grant.holder);
    if (holder == nullptr || holder->info.removed) return damaged("a grant for nobody");
    if (!granted.empty() && granted.back() >= grant.holder) return damaged("grants are out of order");
    granted.push_back(grant.holder);
  }
  for (const Holder& holder : after.holders_) {
    const bool is_new = holder.info.number > holders_.size();
    const bool opens = may_open(holder.info.rights, crypto::Audience::references);
    const bool has_to = !holder.info.removed && (is_new || (opens && !entry.epochs.empty()));
    if (has_to && !std::binary_search(granted.begin(), granted.end(), holder.info.number))
      return damaged(base::cat("holder ", holder.info.number, " does not get its keys"));
  }
  return {};
}

Status Ledger::apply(const KeyEntry& entry, std::string_view where) {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": signed, and breaks a rule: ", what));
  };
  for (const Holder& holder : entry.holders) {
    if (holder.info.number != holders_.size() + 1) return damaged("holders count from 1");
    holders_.push_back(holder);
  }
  for (const Removal& removal : entry.removals) {
    if (find(removal.holder) == nullptr || find(removal.holder)->info.removed)
      return damaged("removes a holder that is not there");
    Holder& holder = holders_[removal.holder - 1];
    holder.info.removed = entry.time;
    holder.last_trusted = removal.last_trusted;
  }
  epochs_.insert(epochs_.end(), entry.epochs.begin(), entry.epochs.end());
  for (const Grant& grant : entry.grants) grants_[grant.holder].push_back({entry.number, grant.box});
  authority_ = entry.authority;
  return {};
}

Status Ledger::add(ByteView bytes, std::string_view where) {
  const Result<KeyEntry> entry = decode_entry(bytes, where);
  if (!entry.ok()) return entry.status();
  if (const Status status = check_place(*entry, where); !status.ok()) return status;
  Ledger after = *this;
  if (const Status status = after.apply(*entry, where); !status.ok()) return status;
  if (const Status status = check_rules(*entry, after, where); !status.ok()) return status;
  after.head_ = {entry->number, crypto::sha256(bytes)};
  after.digests_.push_back(after.head_.digest);
  *this = std::move(after);
  return {};
}

}  // namespace keys
}  // namespace restante
