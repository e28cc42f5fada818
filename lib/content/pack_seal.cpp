#include "content/pack_seal.hpp"

#include "base/limits.hpp"
#include "crypto/crypto.hpp"

namespace restante::content {
namespace {

using crypto::Audience;
using crypto::Last;
using crypto::ObjectKind;

// A block whose seal is taken off `sealed`, which is of its stored bytes, as if it had been stored so.
Result<Bytes> open_sealed(const PackIdentity& identity, crypto::BlockOpener& opener, Block block,
                          std::uint64_t offset, Last last, ByteView sealed, std::size_t limit) {
  const Bytes context = seal_context(identity, offset, block, block.stored.size());
  Bytes plain;
  const Status opened = opener.open(block.number, last, context, sealed, plain);
  if (!opened.ok()) return opened;
  block.stored = plain;
  return open_block(block, limit);
}

}  // namespace

Result<PackSeal> PackSeal::make(const crypto::ObjectSealer& sealer, const PackIdentity& identity) {
  const std::string key = pack_key(identity.pack);
  Result<std::unique_ptr<crypto::BlockSealer>> frames =
      sealer.begin({ObjectKind::pack, key}, Audience::content);
  if (!frames.ok()) return frames.status();
  return PackSeal(sealer, identity, std::move(*frames));
}

PackHeader PackSeal::header() const { return {identity_, sealer_->key_id(Audience::content)}; }

Result<PackSeal::Stored> PackSeal::append(Bytes& pack, const Block& block) {
  const bool is_index = block.kind == BlockKind::index;
  Block sealed = block;
  Bytes stored;
  if (sealer_->encrypts()) {
    std::unique_ptr<crypto::BlockSealer> own;
    if (is_index) {
      const std::string key = pack_key(identity_.pack);
      Result<std::unique_ptr<crypto::BlockSealer>> begun =
          sealer_->begin({ObjectKind::pack_index, key}, Audience::shared);
      if (!begun.ok()) return begun.status();
      own = std::move(*begun);
      stored.assign(own->envelope().begin(), own->envelope().end());
    }
    crypto::BlockSealer& blocks = own ? *own : *frames_;
    const std::size_t size =
        stored.size() + block.stored.size() + crypto::kSealBytes + (is_index ? crypto::kSignatureBytes : 0);
    const Bytes context = seal_context(identity_, pack.size(), block, size);
    const Status done =
        blocks.seal(block.number, is_index ? Last::yes : Last::no, context, block.stored, stored);
    if (!done.ok()) return done;
    if (is_index) {
      const std::string key = pack_key(identity_.pack);
      const Result<crypto::SignatureOf> signature =
          sealer_->sign({ObjectKind::pack_index, key}, crypto::sha256(stored));
      if (!signature.ok()) return signature.status();
      const Bytes encoded = crypto::encode_signature(*signature);
      stored.insert(stored.end(), encoded.begin(), encoded.end());
    }
    sealed.stored = stored;
  }
  const std::uint32_t crc = append_block(pack, identity_, sealed);
  return Stored{crc, static_cast<std::uint32_t>(sealed.stored.size())};
}

Result<std::shared_ptr<FrameOpener>> FrameOpener::make(const crypto::ObjectSealer& sealer,
                                                       const PackIdentity& identity, ByteView envelope) {
  if (!sealer.encrypts() && envelope.empty())
    return std::shared_ptr<FrameOpener>(new FrameOpener(identity, nullptr));
  const std::string key = pack_key(identity.pack);
  Result<std::unique_ptr<crypto::BlockOpener>> opener =
      sealer.open({ObjectKind::pack, key}, Audience::content, envelope);
  if (!opener.ok()) return opener.status();
  return std::shared_ptr<FrameOpener>(new FrameOpener(identity, std::move(*opener)));
}

Result<Bytes> FrameOpener::open(const Block& block, std::uint64_t offset) {
  if (!opener_) return open_block(block, base::kMaxContentFrameBytes);
  const std::scoped_lock lock(mutex_);
  return open_sealed(identity_, *opener_, block, offset, Last::no, block.stored, base::kMaxContentFrameBytes);
}

Result<Bytes> open_index(const crypto::ObjectSealer& sealer, const PackIdentity& identity, const Block& block,
                         std::uint64_t offset) {
  if (!sealer.encrypts()) return open_block(block, base::kMaxPackIndexBytes);
  if (block.stored.size() < crypto::kEnvelopeBytes + crypto::kSignatureBytes)
    return damaged("the pack's index has no envelope, or nobody has signed it");
  const std::string key = pack_key(identity.pack);
  const ByteView signed_bytes = block.stored.first(block.stored.size() - crypto::kSignatureBytes);
  const Result<crypto::SignatureOf> signature =
      crypto::decode_signature(block.stored.subspan(signed_bytes.size()));
  if (!signature.ok()) return signature.status();
  const Result<crypto::Signer> signer =
      sealer.verify({ObjectKind::pack_index, key}, crypto::sha256(signed_bytes), *signature);
  if (!signer.ok()) return signer.status();
  const Result<std::unique_ptr<crypto::BlockOpener>> opener = sealer.open(
      {ObjectKind::pack_index, key}, Audience::shared, block.stored.first(crypto::kEnvelopeBytes));
  if (!opener.ok()) return opener.status();
  return open_sealed(identity, **opener, block, offset, Last::yes,
                     signed_bytes.subspan(crypto::kEnvelopeBytes), base::kMaxPackIndexBytes);
}

}  // namespace restante::content
