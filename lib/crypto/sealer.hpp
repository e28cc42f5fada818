#pragma once
// What the layers that write and read objects of a target know of encryption. Specified in
// docs/format/keys.md ("Sealed objects"). The sealer of an encrypted target is made by lib/keys;
// `plain_sealer` is that of a target without keys, so that callers have one path.
//
//     // an object of one piece
//     Result<Bytes> stored = sealer.seal_whole({ObjectKind::references, key}, Audience::references, bytes);
//     Result<SecretBytes> read = sealer.open_whole({ObjectKind::references, key}, Audience::references,
//     stored);
//
//     // an object of blocks, as a pack
//     Result<std::unique_ptr<BlockSealer>> blocks = sealer.begin({ObjectKind::pack, key}, Audience::content);
//     header.append((*blocks)->envelope());
//     (*blocks)->seal(0, Last::no, header_of_block, frame, stored);
//
// **Threads.** An ObjectSealer may be used by any threads at once; a BlockSealer or BlockOpener by one at a
// time.
//
// **Keys.** Every BlockSealer has a key of its own, drawn at random, sealed to the target's readers in the
// envelope, and wiped with the object. A server that may not read cannot open again what it has sealed.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <restante/status.hpp>

#include "crypto/curve.hpp"

namespace restante::crypto {

/// What an object is. The numbers are part of the format.
enum class ObjectKind : std::uint8_t {
  pack = 1,        // frames of a pack
  pack_index = 2,  // its index
  snapshot = 3,
  segment = 4,     // an archived segment
  session = 5,     // session.xml, and the sealed values in it
  accounts = 6,    // accounts.xml
  references = 7,  // content.ids, and the contents that an archived segment names
  marks = 8,       // a list of packs that nobody refers to
  link = 9,        // a link of a server's chain of sessions
};

/// Who opens it again. The numbers are part of the format.
enum class Audience : std::uint8_t {
  shared = 1,      // everybody who has a key of the target, write-only servers too
  references = 2,  // those who remove and those who read
  metadata = 3,    // those who read
  content = 4,     // those who read
};

/// Where an object lies. What was sealed for one place does not open in another, nor in another target.
struct ObjectPlace {
  ObjectKind kind{};
  /// The storage's key of the published object, "sessions/full-…/session.xml".
  std::string_view key{};
};

/// The last block of an object differs from all others, so that a cut is noticed. Formats that say elsewhere,
/// authenticated, how many blocks there are need not use it.
enum class Last : std::uint8_t { no, yes };

inline constexpr std::size_t kEnvelopeBytes = 104;
/// What `seal` adds to a block, and `seal_whole` to an object besides the envelope.
inline constexpr std::size_t kSealBytes = kAeadTagBytes;

class BlockSealer {
 public:
  virtual ~BlockSealer() = default;
  /// What a reader needs to open the blocks: kEnvelopeBytes, or none in a target without keys. To be stored
  /// as it is; it is good for this place only and says nothing to those who have no key.
  [[nodiscard]] virtual ByteView envelope() const = 0;
  /// Appends `plain.size() + kSealBytes` bytes (in a target without keys, `plain`) to `out`. Numbers ascend,
  /// with gaps or not; `internal` otherwise, because a number that is used twice would give texts away.
  /// `context` is authenticated and has to be given again to open.
  [[nodiscard]] virtual Status seal(std::uint64_t number, Last last, ByteView context, ByteView plain,
                                    Bytes& out) = 0;
};

class BlockOpener {
 public:
  virtual ~BlockOpener() = default;
  /// Appends the plain bytes to `out`. `damaged`, with `out` as it was, unless this is what was sealed under
  /// that number, mark, context, place and target.
  [[nodiscard]] virtual Status open(std::uint64_t number, Last last, ByteView context, ByteView sealed,
                                    Bytes& out) = 0;
};

/// A signature and whose it is.
struct SignatureOf {
  std::uint32_t holder = 0;  // 0: none, in a target without keys
  Signature signature{};
};
inline constexpr std::size_t kSignatureBytes = 4 + 64;
/// The holder's number, little endian, then the signature.
[[nodiscard]] Bytes encode_signature(const SignatureOf& signature);
/// `damaged` unless it has kSignatureBytes.
[[nodiscard]] Result<SignatureOf> decode_signature(ByteView bytes);

/// Who signed.
struct Signer {
  std::uint32_t holder = 0;
  Id128 server{};
  std::string label{};
  /// It has lost its keys since. What it signed before that still counts; lib/keys/chain.hpp tells the
  /// sessions from before and after.
  bool removed = false;
};

class ObjectSealer {
 public:
  virtual ~ObjectSealer() = default;

  /// False for a target without keys.
  [[nodiscard]] virtual bool encrypts() const noexcept = 0;
  /// First 16 bytes of the SHA-256 of the public key to which the audience's objects are sealed now (of the
  /// authority's, for `shared`); zeros without keys.
  [[nodiscard]] virtual Id128 key_id(Audience audience) const = 0;
  /// Whether what is sealed for this audience can be opened with the keys that are here.
  [[nodiscard]] virtual bool can_open(Audience audience) const noexcept = 0;
  /// Whether signatures for this kind of object would be accepted of us.
  [[nodiscard]] virtual bool can_sign(ObjectKind kind) const noexcept = 0;

  /// The id of a content in this target: HMAC-SHA-256(id key, SHA-256 of the content); without keys the
  /// SHA-256 itself. References by SHA-256, as redo logs have them, are translated without reading content.
  [[nodiscard]] virtual Digest content_id(const Digest& sha256) const = 0;

  /// `io` if there is no random source. Not refused to those who cannot open.
  [[nodiscard]] virtual Result<std::unique_ptr<BlockSealer>> begin(const ObjectPlace& place,
                                                                   Audience audience) const = 0;
  /// `permission` if the keys that are here do not open this audience's objects, or not those of that time;
  /// `damaged` if the envelope was not made for this place and audience.
  [[nodiscard]] virtual Result<std::unique_ptr<BlockOpener>> open(const ObjectPlace& place, Audience audience,
                                                                  ByteView envelope) const = 0;

  /// The object's digest signed for its place; in a target without keys, holder 0 and zeros. `permission`
  /// without the right to.
  [[nodiscard]] virtual Result<SignatureOf> sign(const ObjectPlace& place, const Digest& digest) const = 0;
  /// Who signed. `damaged` if nobody did, or somebody who has not the right to.
  [[nodiscard]] virtual Result<Signer> verify(const ObjectPlace& place, const Digest& digest,
                                              const SignatureOf& signature) const = 0;

  /// An object of one block: envelope, then the block 0, which is the last, with an empty context.
  [[nodiscard]] Result<Bytes> seal_whole(const ObjectPlace& place, Audience audience, ByteView plain) const;
  [[nodiscard]] Result<Bytes> open_whole(const ObjectPlace& place, Audience audience, ByteView stored) const;
};

/// Of a target without keys: seals nothing, signs nothing, and ids are SHA-256. Lives for ever.
[[nodiscard]] const ObjectSealer& plain_sealer() noexcept;

}  // namespace restante::crypto
