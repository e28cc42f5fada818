#include "crypto/sealer.hpp"

#include "base/wire.hpp"

namespace restante::crypto {
namespace {

// `Last` would be lost where blocks are stored as they are: what needs it counts its blocks itself, as every
// format of the target does.
class PlainBlocks final : public BlockSealer, public BlockOpener {
 public:
  [[nodiscard]] ByteView envelope() const override { return {}; }
  Status seal(std::uint64_t, Last, ByteView, ByteView plain, Bytes& out) override {
    out.insert(out.end(), plain.begin(), plain.end());
    return {};
  }
  Status open(std::uint64_t, Last, ByteView, ByteView sealed, Bytes& out) override {
    out.insert(out.end(), sealed.begin(), sealed.end());
    return {};
  }
};

class PlainSealer final : public ObjectSealer {
 public:
  [[nodiscard]] bool encrypts() const noexcept override { return false; }
  [[nodiscard]] Id128 key_id(Audience) const override { return {}; }
  [[nodiscard]] bool can_open(Audience) const noexcept override { return true; }
  [[nodiscard]] bool can_sign(ObjectKind) const noexcept override { return true; }
  [[nodiscard]] Digest content_id(const Digest& sha256) const override { return sha256; }
  Result<std::unique_ptr<BlockSealer>> begin(const ObjectPlace&, Audience) const override {
    return std::unique_ptr<BlockSealer>(std::make_unique<PlainBlocks>());
  }
  Result<std::unique_ptr<BlockOpener>> open(const ObjectPlace&, Audience, ByteView envelope) const override {
    if (!envelope.empty())
      return Status(Code::damaged, "an encrypted object in a target that is not encrypted");
    return std::unique_ptr<BlockOpener>(std::make_unique<PlainBlocks>());
  }
  Result<SignatureOf> sign(const ObjectPlace&, const Digest&) const override { return SignatureOf{}; }
  Result<Signer> verify(const ObjectPlace&, const Digest&, const SignatureOf&) const override {
    return Signer{};
  }
};

}  // namespace

Bytes encode_signature(const SignatureOf& signature) {
  Bytes bytes;
  base::ByteWriter out(bytes);
  out.u32(signature.holder);
  out.raw(ByteView(signature.signature));
  return bytes;
}

Result<SignatureOf> decode_signature(ByteView bytes) {
  if (bytes.size() != kSignatureBytes) return Status(Code::damaged, "a signature of another length");
  SignatureOf signature;
  base::ByteReader in(bytes);
  signature.holder = in.u32();
  const ByteView raw = in.raw(signature.signature.size());
  std::copy(raw.begin(), raw.end(), signature.signature.begin());
  return signature;
}

Result<Bytes> ObjectSealer::seal_whole(const ObjectPlace& place, Audience audience, ByteView plain) const {
  const Result<std::unique_ptr<BlockSealer>> blocks = begin(place, audience);
  if (!blocks.ok()) return blocks.status();
  const ByteView envelope = blocks.value()->envelope();
  Bytes stored(envelope.begin(), envelope.end());
  if (const Status status = blocks.value()->seal(0, Last::yes, {}, plain, stored); !status.ok())
    return status;
  return stored;
}

Result<Bytes> ObjectSealer::open_whole(const ObjectPlace& place, Audience audience, ByteView stored) const {
  const std::size_t envelope = encrypts() ? std::min(kEnvelopeBytes, stored.size()) : 0;
  const Result<std::unique_ptr<BlockOpener>> blocks = open(place, audience, stored.first(envelope));
  if (!blocks.ok()) return blocks.status();
  Bytes plain;
  const Status status = blocks.value()->open(0, Last::yes, {}, stored.subspan(envelope), plain);
  if (!status.ok()) return status;
  return plain;
}

const ObjectSealer& plain_sealer() noexcept {
  static const PlainSealer sealer;
  return sealer;
}

}  // namespace restante::crypto
