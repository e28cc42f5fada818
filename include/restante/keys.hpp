#pragma once
/// \file
/// The keys of an encrypted backup target: who may back up, read, remove, and let others do so (R11).
///
///     // once, on the administrator's machine
///     auto ring = KeyRing::create(storage, target_id, {.passphrase = words}, {.label = "owner"});
///     // a mail server that can back up and deduplicate and not read what it wrote
///     create_key_file("/etc/restante/server1.key");
///     ring->add({.label = "server1", .rights = KeyRight::write, .server = server_id,
///                .key_file = "/etc/restante/server1.key"});
///     // on that server
///     auto mine = KeyRing::open(storage, target_id, {.key_file = "/etc/restante/server1.key"});
///
/// **Holders.** Whoever has a key of the target is a *holder*: a passphrase, a key file, or a callback to
/// where the host keeps private keys. Each has rights of its own:
///
/// | right | may |
/// |---|---|
/// | every holder | know which contents are in the target by their digests, compute ids and state digests,
/// read the indexes of packs, verify the structure | | `write` | sign sessions, archived segments and packs
/// so that readers accept them | | `read` | open mail, mailboxes and names: restore, query by account, verify
/// with data | | `remove` | open the lists of references and sign removals; read no mail | | `manage` | all
/// of these, and change who holds what |
///
/// docs/threat-model.md says which operation needs which right, and what none of this protects from.
///
/// **Nothing is rewritten.** Holders are added and removed, and keys rotated, by putting numbered objects
/// below `keys/`, each signed by the target's *authority* and naming the one before (docs/format/keys.md).
/// What was sealed before a rotation stays as it is and is read with the keys of its time. A holder that is
/// removed cannot open what is sealed afterwards; what it could read before, it may have copied.
///
/// **Losing all keys with `manage` and `read` is losing the target.** Nobody can open it then.
///
/// **Threads.** A `KeyRing` is a handle; copies share one ring, every method may be called from any thread.
/// **Processes.** Changes from several are put in order; who comes second is answered `busy` and tries again
/// after `refresh`. **What a crash leaves** is whole objects: a change happened or did not.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <restante/bytes.hpp>
#include <restante/status.hpp>
#include <restante/storage.hpp>
#include <restante/time.hpp>

namespace restante {
inline namespace v0 {

/// A set of rights. `manage` contains the others.
enum class KeyRight : std::uint8_t { none = 0, write = 1, read = 2, remove = 4, manage = 15 };
[[nodiscard]] constexpr KeyRight operator|(KeyRight a, KeyRight b) noexcept {
  return static_cast<KeyRight>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
[[nodiscard]] constexpr bool has(KeyRight rights, KeyRight all_of) noexcept {
  return (static_cast<std::uint8_t>(rights) & static_cast<std::uint8_t>(all_of)) ==
         static_cast<std::uint8_t>(all_of);
}
/// "write and read"; "none".
[[nodiscard]] std::string name_of(KeyRight rights);

/// A private X25519 key that the host keeps elsewhere: a hardware module, an agent, a service.
class KeyAgreement {
 public:
  virtual ~KeyAgreement() = default;
  [[nodiscard]] virtual std::array<std::uint8_t, 32> public_key() const = 0;
  /// X25519 of the private key and `peer` (RFC 7748 §5), 32 bytes. Called a few times by `KeyRing::open`,
  /// `create` and `refresh`, on the caller's thread, and never afterwards.
  [[nodiscard]] virtual Result<Bytes> agree(const std::array<std::uint8_t, 32>& peer) = 0;
};

/// What this process holds. Exactly one of passphrase, key file and callback.
struct KeyOptions {
  /// Any bytes. Every guess costs an attacker scrypt's work, which does not save a short one.
  std::string passphrase{};
  /// A file that `create_key_file` made.
  std::string key_file{};
  std::shared_ptr<KeyAgreement> callback{};
  /// The target's authority (`KeyRing::authority`), 64 hexadecimal digits. Required of a callback, and of a
  /// key file that was added by its public key alone: nothing else tells these the true target from one that
  /// somebody made in its place. Others find it out by themselves.
  std::string authority{};

  [[nodiscard]] bool is_none() const noexcept { return passphrase.empty() && key_file.empty() && !callback; }
};

/// Makes a key file of mode 0600, durable when it returns; `already_exists` if the name is taken. Answers its
/// public keys as text, for `NewHolder::public_keys`.
[[nodiscard]] Result<std::string> create_key_file(const std::string& path);
/// The public keys of a key file. `damaged` if it is none.
[[nodiscard]] Result<std::string> public_keys_of(const std::string& path);

/// One who has a key of the target.
struct KeyHolder {
  enum class Kind : std::uint8_t { passphrase = 1, key_file = 2, callback = 3 };
  /// From 1, never reused.
  std::uint32_t number = 0;
  Kind kind{};
  KeyRight rights = KeyRight::none;
  /// For people. Readable without keys.
  std::string label{};
  /// The server whose sessions it signs; none for holders of other rights.
  Id128 server{};
  Time added{};
  std::optional<Time> removed{};
};

/// A holder to be added. Exactly one of passphrase, key file, public keys and callback.
struct NewHolder {
  std::string label{};
  KeyRight rights = KeyRight::none;
  Id128 server{};
  std::string passphrase{};
  std::string key_file{};
  /// Of a key file on another machine, as `create_key_file` answered.
  std::string public_keys{};
  std::shared_ptr<KeyAgreement> callback{};
  /// scrypt's N is 2 to this power: 10 to 18. 17 takes 128 MiB and half a second.
  std::uint8_t passphrase_work = 17;
};

/// How far a list is whose entries name the ones before: number and SHA-256 of the last. Zeros: none yet.
struct ChainHead {
  std::uint64_t number = 0;
  Digest digest{};
  bool operator==(const ChainHead&) const = default;
};

/// Who makes the keys of a target.
struct FirstHolder {
  std::string label = "owner";
  Id128 server{};
  std::uint8_t passphrase_work = 17;
};

class KeyRing {
 public:
  /// Makes the keys of a new target. `first` gets `manage`. `already_exists` if the target has keys.
  /// Durable when it returns.
  [[nodiscard]] static Result<KeyRing> create(std::shared_ptr<Storage> storage, const Id128& target,
                                              const KeyOptions& first, const FirstHolder& who = {},
                                              const Clock& clock = system_clock());
  /// `invalid_argument` if the passphrase or key is none of this target's; `permission` if it was one and has
  /// been removed; `not_found` if the target has no keys; `damaged`, with its name, if a key object is
  /// missing or not what was written, or if the keys were replaced by somebody else's; `diverged` if
  /// `remembered`
  /// (`head` of an earlier ring) is not in the list: it was rolled back, or written by somebody who did not
  /// know of it. A passphrase takes scrypt's time and memory for every passphrase that the target has.
  [[nodiscard]] static Result<KeyRing> open(std::shared_ptr<Storage> storage, const Id128& target,
                                            const KeyOptions& mine, const ChainHead& remembered = {},
                                            const Clock& clock = system_clock());

  /// Of this holder.
  [[nodiscard]] KeyRight rights() const;
  [[nodiscard]] std::uint32_t holder() const;
  /// Everyone, removed ones too, by number.
  [[nodiscard]] std::vector<KeyHolder> holders() const;
  /// How often keys were made anew, from 1.
  [[nodiscard]] std::uint32_t epoch() const;
  /// To be kept in configuration where `KeyOptions::authority` asks for it.
  [[nodiscard]] std::string authority() const;
  /// To be remembered in the state directory and given to the next `open`: without it nobody notices that the
  /// newest entries are missing.
  [[nodiscard]] ChainHead head() const;

  /// Takes over what others changed meanwhile; `diverged` if what this ring has seen is gone. Before every
  /// session: what is sealed for the keys of an old epoch can be read by holders that were removed since.
  [[nodiscard]] Status refresh();

  /// Each needs `manage`, otherwise `permission`; each is durable when it returns. `busy` if another process
  /// changed the keys at the same moment.
  ///
  /// The new holder can open everything of its rights, old sessions too. Answers its number.
  [[nodiscard]] Result<std::uint32_t> add(const NewHolder& holder);
  /// The holder's rights end, and new keys are made that it does not get. Of a server's sessions those up to
  /// `last_trusted` go on counting (none: no session of it does); give its newest link if it was only
  /// decommissioned, and the last from before the break-in if it was broken into. `invalid_argument` for the
  /// last holder with `manage`. A holder that had `manage` knows the authority's key for ever: against such
  /// a one only a new target helps.
  [[nodiscard]] Status remove(std::uint32_t holder, const ChainHead& last_trusted = {});
  /// New keys for what is sealed from now on.
  [[nodiscard]] Status rotate();

  struct Impl;

 private:
  explicit KeyRing(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
  friend struct KeyAccess;
  std::shared_ptr<Impl> impl_;
};

}  // namespace v0
}  // namespace restante
