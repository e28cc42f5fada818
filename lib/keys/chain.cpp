#include "keys/chain.hpp"

#include <algorithm>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"

namespace restante::keys {
namespace {

constexpr std::string_view kLinkMagic = "RSTLINK1";
constexpr std::string_view kHeadsMagic = "RSTHEAD1";
constexpr std::uint16_t kLinkVersion = 1;
constexpr std::string_view kChainPrefix = "chains/";

std::string chain_prefix(std::uint32_t holder) {
  return base::cat(kChainPrefix, base::padded(holder, 8), "/");
}

Bytes link_body(const ChainLink& link) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.raw(as_bytes(kLinkMagic));
  out.u16(kLinkVersion);
  out.u16(0);
  out.raw(link.target);
  out.u32(link.holder);
  out.u64(link.number);
  out.raw(link.previous);
  out.i64(link.time.us);
  out.text(link.label);
  out.raw(link.session);
  return bytes;
}

crypto::HmacSha256Key heads_key(const Id128& target, const crypto::Key256& state_key) {
  Bytes info;
  base::ByteWriter out(info);
  out.raw(as_bytes("restante heads 1"));
  out.raw(target);
  return crypto::HmacSha256Key(crypto::derive_key(state_key.view(), info).view());
}

void write_head(base::ByteWriter& out, const ChainHead& head) {
  out.u64(head.number);
  out.raw(head.digest);
}
ChainHead read_head(base::ByteReader& in) {
  ChainHead head;
  head.number = in.u64();
  head.digest = in.digest();
  return head;
}

}  // namespace

std::string link_key(std::uint32_t holder, std::uint64_t number) {
  return base::cat(chain_prefix(holder), base::padded(number, 10), ".link");
}

Result<Bytes> encode_link(const ChainLink& link, const crypto::ObjectSealer& sealer) {
  Bytes bytes = link_body(link);
  const std::string key = link_key(link.holder, link.number);
  const Result<crypto::SignatureOf> signature =
      sealer.sign({crypto::ObjectKind::link, key}, crypto::sha256(bytes));
  if (!signature.ok()) return signature.status();
  const Bytes encoded = crypto::encode_signature(*signature);
  bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  return bytes;
}

Result<ChainLink> decode_link(ByteView bytes, const crypto::ObjectSealer& sealer, std::string_view where) {
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged, base::cat(where, ": ", what));
  };
  if (bytes.size() < kLinkMagic.size() + 4 + crypto::kSignatureBytes ||
      as_text(bytes.first(kLinkMagic.size())) != kLinkMagic)
    return damaged("not a link of a chain of sessions");
  const ByteView body = bytes.first(bytes.size() - crypto::kSignatureBytes);
  const Result<crypto::SignatureOf> signature = crypto::decode_signature(bytes.subspan(body.size()));
  if (!signature.ok()) return signature.status();
  base::ByteReader in(body.subspan(kLinkMagic.size()));
  const std::uint16_t version = in.u16();
  if (version > kLinkVersion || in.u16() != 0)
    return Status(Code::unsupported, base::cat(where, ": made by a newer version (format ", version, ")"));
  ChainLink link;
  link.target = in.id();
  link.holder = in.u32();
  link.number = in.u64();
  link.previous = in.digest();
  link.time = Time{in.i64()};
  link.label = in.text();
  link.session = in.digest();
  if (version != kLinkVersion || !in.ok() || in.remaining() != 0 ||
      link_key(link.holder, link.number) != where)
    return damaged("not what was written");
  const Result<crypto::Signer> signer =
      sealer.verify({crypto::ObjectKind::link, where}, crypto::sha256(body), *signature);
  if (!signer.ok()) return signer.status();
  if (signer->holder != link.holder) return damaged("signed by another server than the chain's");
  return link;
}

Status extend_chain(Storage& storage, const crypto::ObjectSealer& sealer, const Id128& target,
                    std::uint32_t holder, Chain& chain) {
  std::vector<std::string> names;
  const Status listed = storage.list(chain_prefix(holder), [&](const ObjectInfo& object) -> Status {
    names.push_back(object.key);
    return {};
  });
  if (!listed.ok()) return listed;
  const std::uint64_t known = chain.head.number;
  for (std::size_t i = 0; i < std::max<std::size_t>(names.size(), known); ++i) {
    const std::string next = link_key(holder, i + 1);
    if (i >= names.size()) return Status(Code::damaged, base::cat(next, " is missing, it was there before"));
    if (names[i] != next)
      return Status(Code::damaged, base::cat(next, " is missing, and there are later ones"));
    if (i < known) continue;
    const Result<Bytes> bytes = storage.get(next, base::kMaxLinkBytes);
    if (!bytes.ok()) return bytes.status();
    Result<ChainLink> link = decode_link(*bytes, sealer, next);
    if (!link.ok()) return link.status();
    if (link->target != target || link->previous != chain.head.digest)
      return Status(Code::damaged, base::cat(next, ": does not follow the one before it"));
    chain.head = {link->number, crypto::sha256(*bytes)};
    chain.links.push_back(std::move(*link));
  }
  return {};
}

Result<Chain> read_chain(Storage& storage, const crypto::ObjectSealer& sealer, const Id128& target,
                         std::uint32_t holder, const ChainHead& remembered) {
  Chain chain;
  if (Status s = extend_chain(storage, sealer, target, holder, chain); !s.ok()) return s;
  const std::uint64_t count = chain.links.size();
  const bool known =
      remembered.number == 0 || (remembered.number == count && chain.head == remembered) ||
      (remembered.number < count && chain.links[remembered.number].previous == remembered.digest);
  if (!known)
    return Status(
        Code::diverged,
        base::cat(link_key(holder, remembered.number), ": seen here before, and missing or another now"),
        "the target was rolled back or replaced; find out by whom before you go on");
  return chain;
}

Result<ChainHead> append_link(Storage& storage, const crypto::ObjectSealer& sealer, const ChainHead& head,
                              ChainLink link) {
  link.number = head.number + 1;
  link.previous = head.digest;
  const Result<Bytes> bytes = encode_link(link, sealer);
  if (!bytes.ok()) return bytes.status();
  const std::string key = link_key(link.holder, link.number);
  const Status put = storage.put_if_absent(key, *bytes);
  if (put.code() == Code::already_exists)
    return Status(Code::busy,
                  base::cat(key, ": another session of this server was announced at this moment"));
  if (!put.ok()) return put;
  return ChainHead{link.number, crypto::sha256(*bytes)};
}

bool counts(const Holder& holder, const Chain& chain, std::uint64_t number) {
  if (!holder.info.removed) return true;
  const ChainHead& last = holder.last_trusted;
  if (number > last.number || last.number > chain.links.size()) return false;
  // The digest of a link is what the next one names.
  const Digest& digest =
      last.number == chain.links.size() ? chain.head.digest : chain.links[last.number].previous;
  return digest == last.digest;
}

Bytes encode_heads(const RememberedHeads& heads, const Id128& target, const crypto::Key256& state_key) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.raw(as_bytes(kHeadsMagic));
  write_head(out, heads.keys);
  out.varint(heads.chains.size());
  for (const auto& [holder, head] : heads.chains) {
    out.u32(holder);
    write_head(out, head);
  }
  out.raw(heads_key(target, state_key).mac(bytes));
  return bytes;
}

Result<RememberedHeads> decode_heads(ByteView bytes, const Id128& target, const crypto::Key256& state_key,
                                     std::string_view where) {
  const Status damaged(Code::damaged, base::cat(where, ": not what this key wrote for this target"));
  constexpr std::size_t kMacBytes = 32;
  if (bytes.size() < kHeadsMagic.size() + kMacBytes) return damaged;
  const ByteView body = bytes.first(bytes.size() - kMacBytes);
  const Digest mac = heads_key(target, state_key).mac(body);
  if (!crypto::equal_in_constant_time(mac.bytes, bytes.subspan(body.size()))) return damaged;
  base::ByteReader in(body.subspan(kHeadsMagic.size()));
  RememberedHeads heads;
  heads.keys = read_head(in);
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::uint32_t holder = in.u32();
    heads.chains[holder] = read_head(in);
  }
  if (!in.ok() || in.remaining() != 0 || as_text(body.first(kHeadsMagic.size())) != kHeadsMagic)
    return damaged;
  return heads;
}

}  // namespace restante::keys
