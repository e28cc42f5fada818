#include "keys/secrets.hpp"

#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"

namespace restante::keys {
namespace {

constexpr std::string_view kKeyFileTitle = "restante key 1\nsecret ";
constexpr std::string_view kPublicTitle = "restante-public-1 ";
constexpr std::size_t kPublicCheckDigits = 8;

// The numbers of the format.
enum class SecretKind : std::uint8_t {
  id = 1,
  shared = 2,
  digest = 3,
  references = 4,  // and the other audiences, in the order of kSealedAudiences
  authority = 7,
  holder = 8,
};
constexpr std::size_t kSecretBytes = 1 + 4 + 32;

std::optional<crypto::Key256>* single(Secrets& secrets, SecretKind kind) {
  switch (kind) {
    case SecretKind::id: return &secrets.id;
    case SecretKind::shared: return &secrets.shared;
    case SecretKind::digest: return &secrets.digest;
    case SecretKind::authority: return &secrets.authority;
    case SecretKind::holder: return &secrets.holder;
    case SecretKind::references: return nullptr;
  }
  return nullptr;
}

crypto::Key256 derived(const crypto::Key256& secret, std::string_view what) {
  return crypto::derive_key(secret.view(), as_bytes(base::cat("restante holder 1 ", what)));
}

}  // namespace

HolderKeys derive_holder_keys(const crypto::Key256& secret) {
  return {derived(secret, "open"), derived(secret, "sign"), derived(secret, "vouch"),
          derived(secret, "state")};
}

Digest make_vouch(const crypto::Key256& vouch_key, const Id128& target, const crypto::PublicKey& authority,
                  const Holder& holder) {
  Bytes statement;
  base::ByteWriter out(statement);
  out.raw(as_bytes("restante vouch 1"));
  out.raw(target);
  out.raw(ByteView(authority));
  out.raw(ByteView(holder.open_key));
  out.raw(ByteView(holder.sign_key));
  return crypto::HmacSha256Key(vouch_key.view()).mac(statement);
}

const crypto::Key256* Secrets::find(crypto::Audience audience, std::uint32_t epoch) const {
  for (std::size_t i = 0; i < kSealedAudiences.size(); ++i) {
    if (kSealedAudiences[i] != audience) continue;
    const auto key = audiences[i].find(epoch);
    return key == audiences[i].end() ? nullptr : &key->second;
  }
  return nullptr;
}

bool may_open(KeyRight rights, crypto::Audience audience) noexcept {
  if (audience == crypto::Audience::shared || has(rights, KeyRight::read)) return true;
  return audience == crypto::Audience::references && has(rights, KeyRight::remove);
}

Secrets Secrets::for_rights(KeyRight rights) const {
  Secrets out;
  out.id = id;
  out.shared = shared;
  out.digest = digest;
  for (std::size_t i = 0; i < kSealedAudiences.size(); ++i)
    if (may_open(rights, kSealedAudiences[i])) out.audiences[i] = audiences[i];
  if (has(rights, KeyRight::manage)) out.authority = authority;
  return out;
}

crypto::SecretBytes encode_secrets(const Secrets& secrets) {
  Secrets copy = secrets;
  std::size_t count = 0;
  for (const auto& keys : secrets.audiences) count += keys.size();
  for (const SecretKind kind :
       {SecretKind::id, SecretKind::shared, SecretKind::digest, SecretKind::authority, SecretKind::holder})
    count += single(copy, kind)->has_value() ? 1 : 0;
  Bytes bytes;
  // At once: growing would leave copies behind that nobody wipes.
  bytes.reserve(base::kMaxVarintBytes + count * kSecretBytes);
  base::ByteWriter out(bytes);
  out.varint(count);
  const auto put = [&](std::uint8_t kind, std::uint32_t epoch, const crypto::Key256& key) {
    out.u8(kind);
    out.u32(epoch);
    out.raw(ByteView(key.view()));
  };
  for (std::uint8_t kind = 1; kind <= static_cast<std::uint8_t>(SecretKind::holder); ++kind) {
    const unsigned audience = kind - static_cast<unsigned>(SecretKind::references);
    if (audience < kSealedAudiences.size()) {
      for (const auto& [epoch, key] : secrets.audiences[audience]) put(kind, epoch, key);
    } else if (const auto& key = *single(copy, static_cast<SecretKind>(kind)); key) {
      put(kind, 0, *key);
    }
  }
  return crypto::SecretBytes(std::move(bytes));
}

bool decode_secrets(ByteView bytes, Secrets& secrets) {
  base::ByteReader in(bytes);
  const std::uint64_t count = in.varint();
  std::uint64_t before = 0;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::uint8_t kind = in.u8();
    const std::uint32_t epoch = in.u32();
    const ByteView raw = in.raw(32);
    const std::uint64_t order = std::uint64_t{kind} << 32 | epoch;
    if (!in.ok() || order <= before) return false;
    before = order;
    const crypto::Key256 key = crypto::Key256::from(raw.first<32>());
    const unsigned audience = kind - static_cast<unsigned>(SecretKind::references);
    const bool of_epoch = audience < kSealedAudiences.size();
    if (kind == 0 || kind > static_cast<std::uint8_t>(SecretKind::holder) || of_epoch != (epoch != 0))
      return false;
    if (of_epoch)
      secrets.audiences[audience].insert_or_assign(epoch, key);
    else
      *single(secrets, static_cast<SecretKind>(kind)) = key;
  }
  return in.ok() && in.remaining() == 0;
}

Bytes grant_context(const Id128& target, std::uint32_t entry, std::uint32_t holder) {
  Bytes context;
  base::ByteWriter out(context);
  out.raw(as_bytes("restante grant 1"));
  out.raw(target);
  out.u32(entry);
  out.u32(holder);
  return context;
}

std::string encode_key_file(const crypto::Key256& secret) {
  const std::string text = base::cat(kKeyFileTitle, to_hex(secret.view()), "\n");
  return base::cat(text, "sha256 ", crypto::sha256(as_bytes(text)).to_string(), "\n");
}

Result<crypto::Key256> decode_key_file(ByteView text, std::string_view where) {
  const Status damaged(Code::damaged, base::cat(where, ": not a key file, or not as it was written"));
  if (text.size() < kKeyFileTitle.size() + 64) return damaged;
  const Result<Bytes> raw = from_hex(as_text(text.subspan(kKeyFileTitle.size(), 64)));
  if (!raw.ok()) return damaged;
  const crypto::Key256 secret = crypto::Key256::from(ByteView(*raw).first<32>());
  if (encode_key_file(secret) != as_text(text)) return damaged;
  return secret;
}

std::string encode_public_keys(const PublicKeys& keys) {
  const std::string text = base::cat(kPublicTitle, to_hex(keys.open), " ", to_hex(keys.sign));
  return base::cat(text, " ", crypto::sha256(as_bytes(text)).to_string().substr(0, kPublicCheckDigits));
}

Result<PublicKeys> decode_public_keys(std::string_view text) {
  const Status wrong(Code::invalid_argument,
                     base::cat("no public keys, or mistyped: '", base::escape(text.substr(0, 200)), "'"),
                     "it is one line that begins with restante-public-1");
  if (text.size() != kPublicTitle.size() + 64 + 1 + 64 + 1 + kPublicCheckDigits) return wrong;
  const Result<Bytes> open = from_hex(text.substr(kPublicTitle.size(), 64));
  const Result<Bytes> sign = from_hex(text.substr(kPublicTitle.size() + 65, 64));
  if (!open.ok() || !sign.ok()) return wrong;
  PublicKeys keys;
  std::copy(open->begin(), open->end(), keys.open.begin());
  std::copy(sign->begin(), sign->end(), keys.sign.begin());
  if (encode_public_keys(keys) != text) return wrong;
  return keys;
}

}  // namespace restante::keys
