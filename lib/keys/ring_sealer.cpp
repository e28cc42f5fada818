#include "keys/ring_sealer.hpp"

#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/aead.hpp"
#include "crypto/crypto.hpp"

namespace restante::keys {
namespace {

constexpr std::size_t kEnvelopeHeadBytes = 24;
constexpr std::size_t kDataKeyBoxBytes = crypto::kEnvelopeBytes - kEnvelopeHeadBytes;
static_assert(kDataKeyBoxBytes == crypto::kBoxOverheadBytes + 32);
constexpr std::size_t kSharedSaltBytes = 32;

// The beginning of an envelope.
struct EnvelopeHead {
  crypto::Audience audience{};
  std::uint32_t epoch = 0;
  Id128 key_id{};
};

Bytes encode_envelope_head(const EnvelopeHead& head) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.u32(static_cast<std::uint8_t>(head.audience));
  out.u32(head.epoch);
  out.raw(head.key_id);
  return bytes;
}

// What the key of an object is bound to.
Bytes object_context(const Id128& target, const crypto::ObjectPlace& place, ByteView envelope_head) {
  Bytes context;
  base::ByteWriter out(context);
  out.raw(as_bytes("restante object 1"));
  out.raw(target);
  out.u8(static_cast<std::uint8_t>(place.kind));
  out.text(place.key);
  out.raw(envelope_head);
  return context;
}

Bytes signature_statement(const Id128& target, const crypto::ObjectPlace& place, std::uint32_t holder,
                          const Digest& digest) {
  Bytes statement;
  base::ByteWriter out(statement);
  out.raw(as_bytes("restante signature 1"));
  out.raw(target);
  out.u8(static_cast<std::uint8_t>(place.kind));
  out.text(place.key);
  out.u32(holder);
  out.raw(digest);
  return statement;
}

crypto::AeadNonce block_nonce(std::uint64_t number, crypto::Last last) {
  crypto::AeadNonce nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[i] = static_cast<std::uint8_t>(number >> (8 * i));
  nonce[8] = last == crypto::Last::yes ? 1 : 0;
  return nonce;
}

class SealedBlocks final : public crypto::BlockSealer {
 public:
  SealedBlocks(Bytes envelope, const crypto::Key256& key) : envelope_(std::move(envelope)), key_(key) {}

  [[nodiscard]] ByteView envelope() const override { return envelope_; }

  Status seal(std::uint64_t number, crypto::Last last, ByteView context, ByteView plain,
              Bytes& out) override {
    if (ended_ || (any_ && number <= number_))
      return Status(Code::internal, base::cat("block ", number, " of an object was to be sealed behind ",
                                              ended_ ? "the last" : "a later one"));
    any_ = true;
    number_ = number;
    ended_ = last == crypto::Last::yes;
    crypto::aead_seal(key_, block_nonce(number, last), context, plain, out);
    return {};
  }

 private:
  Bytes envelope_;
  crypto::Key256 key_;
  bool any_ = false;
  bool ended_ = false;
  std::uint64_t number_ = 0;
};

class OpenedBlocks final : public crypto::BlockOpener {
 public:
  OpenedBlocks(std::string where, const crypto::Key256& key) : where_(std::move(where)), key_(key) {}

  Status open(std::uint64_t number, crypto::Last last, ByteView context, ByteView sealed,
              Bytes& out) override {
    if (crypto::aead_open(key_, block_nonce(number, last), context, sealed, out)) return {};
    return Status(Code::damaged, base::cat(where_, ": block ", number, " is not what was sealed"));
  }

 private:
  std::string where_;
  crypto::Key256 key_;
};

class RingSealer final : public crypto::ObjectSealer {
 public:
  explicit RingSealer(std::shared_ptr<const RingState> state)
      : state_(std::move(state)), id_key_(state_->secrets.id->view()) {}

  [[nodiscard]] bool encrypts() const noexcept override { return true; }

  [[nodiscard]] Id128 key_id(crypto::Audience audience) const override {
    const crypto::PublicKey* const key = public_key(audience, state_->ledger.epochs().back());
    return key_id_of(key != nullptr ? *key : state_->ledger.authority());
  }

  [[nodiscard]] bool can_open(crypto::Audience audience) const noexcept override {
    return may_open(me().info.rights, audience);
  }
  [[nodiscard]] bool can_sign(crypto::ObjectKind kind) const noexcept override {
    return may_sign(me().info.rights, kind);
  }

  [[nodiscard]] Digest content_id(const Digest& sha256) const override { return id_key_.mac(sha256.bytes); }

  Result<std::unique_ptr<crypto::BlockSealer>> begin(const crypto::ObjectPlace& place,
                                                     crypto::Audience audience) const override {
    const Result<crypto::Key256> drawn = crypto::random_key();
    if (!drawn.ok()) return drawn.status();
    const Epoch& epoch = state_->ledger.epochs().back();
    const crypto::PublicKey* const readers = public_key(audience, epoch);
    const EnvelopeHead head{audience, readers != nullptr ? epoch.number : 0, key_id(audience)};
    Bytes envelope = encode_envelope_head(head);
    const Bytes context = object_context(state_->ledger.target(), place, envelope);
    crypto::Key256 key = *drawn;
    if (readers != nullptr) {
      const Status status = crypto::seal_box(*readers, context, drawn->view(), envelope);
      if (!status.ok()) return status;
    } else {
      envelope.insert(envelope.end(), drawn->view().begin(), drawn->view().end());
      key = shared_object_key(drawn->view(), context);
    }
    envelope.resize(crypto::kEnvelopeBytes);
    return std::unique_ptr<crypto::BlockSealer>(std::make_unique<SealedBlocks>(std::move(envelope), key));
  }

  Result<std::unique_ptr<crypto::BlockOpener>> open(const crypto::ObjectPlace& place,
                                                    crypto::Audience audience,
                                                    ByteView envelope) const override {
    const Result<crypto::Key256> key = object_key(place, audience, envelope);
    if (!key.ok()) return key.status();
    return std::unique_ptr<crypto::BlockOpener>(std::make_unique<OpenedBlocks>(std::string(place.key), *key));
  }

  Result<crypto::SignatureOf> sign(const crypto::ObjectPlace& place, const Digest& digest) const override {
    if (!can_sign(place.kind))
      return Status(
          Code::permission,
          base::cat(place.key, ": the key of '", base::escape(me().info.label), "' may not sign this"),
          "use a key with the right to, or have it given one");
    const Bytes statement = signature_statement(state_->ledger.target(), place, state_->holder, digest);
    return crypto::SignatureOf{state_->holder, crypto::ed25519_sign(state_->own.sign, statement)};
  }

  Result<crypto::Signer> verify(const crypto::ObjectPlace& place, const Digest& digest,
                                const crypto::SignatureOf& signature) const override {
    const auto damaged = [&](std::string_view what) {
      return Status(Code::damaged, base::cat(place.key, ": ", what));
    };
    const Holder* const holder = state_->ledger.find(signature.holder);
    if (holder == nullptr) return damaged("signed by nobody whom the target knows");
    if (!may_sign(holder->info.rights, place.kind))
      return damaged(base::cat("signed by '", base::escape(holder->info.label), "', who may not"));
    const Bytes statement = signature_statement(state_->ledger.target(), place, signature.holder, digest);
    if (!crypto::ed25519_verify(holder->sign_key, statement, signature.signature))
      return damaged("its signature does not hold");
    return crypto::Signer{signature.holder, holder->info.server, holder->info.label,
                          holder->info.removed.has_value()};
  }

 private:
  [[nodiscard]] const Holder& me() const { return *state_->ledger.find(state_->holder); }

  static bool may_sign(KeyRight rights, crypto::ObjectKind kind) noexcept {
    if (kind == crypto::ObjectKind::marks) return has(rights, KeyRight::remove);
    return has(rights, KeyRight::write) ||
           (kind == crypto::ObjectKind::accounts && has(rights, KeyRight::remove));
  }

  // Nothing for what is shared.
  static const crypto::PublicKey* public_key(crypto::Audience audience, const Epoch& epoch) {
    for (std::size_t i = 0; i < kSealedAudiences.size(); ++i)
      if (kSealedAudiences[i] == audience) return &epoch.public_keys[i];
    return nullptr;
  }

  [[nodiscard]] crypto::Key256 shared_object_key(ByteView salt, ByteView context) const {
    crypto::Key256 key;
    crypto::hkdf_sha256(state_->secrets.shared->view(), salt, context, key.fill());
    return key;
  }

  Result<crypto::Key256> object_key(const crypto::ObjectPlace& place, crypto::Audience audience,
                                    ByteView envelope) const {
    const auto damaged = [&](std::string_view what) {
      return Status(Code::damaged, base::cat(place.key, ": ", what));
    };
    if (envelope.size() != crypto::kEnvelopeBytes) return damaged("too short for an encrypted object");
    const ByteView head_bytes = envelope.first(kEnvelopeHeadBytes);
    const ByteView box = envelope.subspan(kEnvelopeHeadBytes);
    base::ByteReader in(head_bytes);
    EnvelopeHead head;
    const bool right_audience = in.u32() == static_cast<std::uint32_t>(audience);
    head.epoch = in.u32();
    head.key_id = in.id();
    if (!right_audience) return damaged("not sealed for those who have to read it");
    if (!can_open(audience))
      return Status(
          Code::permission,
          base::cat(place.key, ": the key of '", base::escape(me().info.label), "' does not open it"),
          "use a key with the right to read");
    const Bytes context = object_context(state_->ledger.target(), place, head_bytes);
    if (audience == crypto::Audience::shared) {
      const ByteView tail = box.subspan(kSharedSaltBytes);
      const bool as_written =
          head.epoch == 0 && head.key_id == key_id_of(state_->ledger.authority()) &&
          std::all_of(tail.begin(), tail.end(), [](std::uint8_t byte) { return byte == 0; });
      if (!as_written) return damaged("its envelope is not what was written");
      return shared_object_key(box.first(kSharedSaltBytes), context);
    }
    const crypto::Key256* const private_key = state_->secrets.find(audience, head.epoch);
    if (private_key == nullptr || key_id_of(crypto::x25519_public_key(*private_key)) != head.key_id)
      return damaged(base::cat("sealed for keys that the target has not (epoch ", head.epoch, ")"));
    const std::optional<crypto::SecretBytes> data_key = crypto::open_box(*private_key, context, box);
    if (!data_key || data_key->view().size() != 32)
      return damaged("not sealed for this place, or its envelope is not what was written");
    return crypto::Key256::from(data_key->view().first<32>());
  }

  std::shared_ptr<const RingState> state_;
  crypto::HmacSha256Key id_key_;
};

}  // namespace

Id128 key_id_of(const crypto::PublicKey& key) {
  const Digest digest = crypto::sha256(key);
  Id128 id;
  std::copy_n(digest.bytes.begin(), id.bytes.size(), id.bytes.begin());
  return id;
}

std::shared_ptr<const crypto::ObjectSealer> make_ring_sealer(std::shared_ptr<const RingState> state) {
  return std::make_shared<RingSealer>(std::move(state));
}

}  // namespace restante::keys
