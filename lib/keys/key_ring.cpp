#include <restante/keys.hpp>

#include <fcntl.h>

#include <algorithm>
#include <mutex>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "keys/key_access.hpp"
#include "keys/ring_sealer.hpp"
#include "keys/secrets.hpp"
#include "os/file.hpp"

namespace restante {
namespace keys {
namespace {

// Who we are among the holders, and how our grants are opened.
struct Identity {
  std::uint32_t holder = 0;
  crypto::PublicKey open_key{};
  crypto::Agree agree{};
  std::optional<HolderKeys> own{};  // not with a callback
};

crypto::Agree agree_with(crypto::Key256 private_key) {
  return [private_key](const crypto::PublicKey& peer) -> Result<crypto::Key256> {
    const std::optional<crypto::Key256> shared = crypto::x25519_agree(private_key, peer);
    if (!shared) return Status(Code::damaged, "a grant names no usable public key");
    return *shared;
  };
}

crypto::Agree agree_with(std::shared_ptr<KeyAgreement> callback) {
  return [callback = std::move(callback)](const crypto::PublicKey& peer) -> Result<crypto::Key256> {
    Result<Bytes> answer = callback->agree(peer);
    if (!answer.ok()) return answer.status().with_context("the host's private key");
    const crypto::SecretBytes shared(std::move(*answer));
    if (shared.view().size() != 32)
      return Status(Code::invalid_argument, base::cat("the host's private key: the shared secret has ",
                                                      shared.view().size(), " bytes, X25519 makes 32"));
    const crypto::Key256 key = crypto::Key256::from(shared.view().first<32>());
    if (crypto::equal_in_constant_time(key.view(), crypto::Key256().view()))
      return Status(Code::damaged, "a grant names no usable public key");
    return key;
  };
}

Result<crypto::Key256> read_key_file(const std::string& path) {
  Result<Bytes> read = os::read_file(os::real_io(), AT_FDCWD, path, base::kMaxKeyFileBytes);
  if (!read.ok()) return read.status();
  const crypto::SecretBytes text(std::move(*read));
  return decode_key_file(text.view(), path);
}

PublicKeys public_keys_of_secret(const HolderKeys& keys) {
  return {crypto::x25519_public_key(keys.open), crypto::ed25519_public_key(keys.sign)};
}

// Exactly one way to a key, or which is wrong.
Status check_one(std::size_t given, std::string_view what) {
  if (given == 1) return {};
  return Status(Code::invalid_argument,
                base::cat(given == 0 ? "no key is given: " : "several keys are given: ", "exactly one of ",
                          what, " is needed"));
}
Status check_options(const KeyOptions& options) {
  return check_one(
      (options.passphrase.empty() ? 0 : 1) + (options.key_file.empty() ? 0 : 1) + (options.callback ? 1 : 0),
      "passphrase, key file and callback");
}

Status replaced(std::string_view why) {
  return Status(Code::damaged, base::cat("the keys of the target are not those that it was made with: ", why),
                "somebody may have put another target in its place; use nothing of it");
}

// Whether the target is the one that this holder was added to.
Status check_authority(const Ledger& ledger, const Identity& me, std::string_view authority) {
  const Holder& holder = *ledger.find(me.holder);
  if (!authority.empty() && authority != to_hex(ledger.authority()))
    return replaced("their authority is not the one that is configured");
  const bool vouched = !holder.vouch.is_zero();
  if (!vouched && authority.empty())
    return Status(Code::invalid_argument,
                  base::cat("the key of '", base::escape(holder.info.label),
                            "' cannot tell whether this is the true target"),
                  "configure the target's authority, as whoever added this key knows it");
  if (!vouched || !me.own) return {};
  const Digest expected = make_vouch(me.own->vouch, ledger.target(), ledger.authority(), holder);
  if (!crypto::equal_in_constant_time(expected.bytes, holder.vouch.bytes))
    return replaced(base::cat("the key of '", base::escape(holder.info.label), "' was never shown them"));
  return {};
}

Result<Identity> identity_of_secret(const Holder& holder, const HolderKeys& keys) {
  if (crypto::ed25519_public_key(keys.sign) != holder.sign_key)
    return replaced(base::cat("they name another signing key for '", base::escape(holder.info.label), "'"));
  return Identity{holder.info.number, holder.open_key, agree_with(keys.open), keys};
}

// The holder with this public key; of several, one that is not removed.
const Holder* find_by_key(const Ledger& ledger, const crypto::PublicKey& key) {
  const Holder* found = nullptr;
  for (const Holder& holder : ledger.holders())
    if (holder.open_key == key && (found == nullptr || found->info.removed)) found = &holder;
  return found;
}

Result<Identity> identify_passphrase(const Ledger& ledger, std::string_view passphrase) {
  for (const bool removed : {false, true}) {
    for (const Holder& holder : ledger.holders()) {
      if (holder.info.kind != KeyHolder::Kind::passphrase || holder.info.removed.has_value() != removed)
        continue;
      const Result<crypto::Key256> secret = crypto::scrypt(as_bytes(passphrase), holder.salt, holder.work);
      if (!secret.ok()) return secret.status();
      const HolderKeys keys = derive_holder_keys(*secret);
      if (crypto::x25519_public_key(keys.open) == holder.open_key) return identity_of_secret(holder, keys);
    }
  }
  return Status(Code::invalid_argument, "this is none of the target's passphrases");
}

Result<Identity> identify(const Ledger& ledger, const KeyOptions& mine) {
  if (!mine.passphrase.empty()) return identify_passphrase(ledger, mine.passphrase);
  if (mine.callback) {
    const crypto::PublicKey key = mine.callback->public_key();
    const Holder* const holder = find_by_key(ledger, key);
    if (holder == nullptr)
      return Status(Code::invalid_argument, "the host's private key is none of the target's keys");
    return Identity{holder->info.number, key, agree_with(mine.callback), std::nullopt};
  }
  const Result<crypto::Key256> secret = read_key_file(mine.key_file);
  if (!secret.ok()) return secret.status();
  const HolderKeys keys = derive_holder_keys(*secret);
  const Holder* const holder = find_by_key(ledger, crypto::x25519_public_key(keys.open));
  if (holder == nullptr)
    return Status(Code::invalid_argument, base::cat(mine.key_file, ": none of the target's keys"));
  return identity_of_secret(*holder, keys);
}

// The objects behind those that the ledger has.
Status read_entries(Storage& storage, Ledger& ledger) {
  std::vector<std::uint64_t> numbers;
  const Status listed = storage.list(kKeyPrefix, [&](const ObjectInfo& object) -> Status {
    const std::string_view name = std::string_view(object.key).substr(kKeyPrefix.size());
    const std::optional<std::uint64_t> number = base::parse_decimal(name.substr(0, name.find('.')));
    if (!number || entry_key(*number) != object.key || *number <= ledger.head().number) return {};
    if (numbers.size() >= base::kMaxKeyObjects)
      return Status(Code::unsupported, base::cat("more than ", base::kMaxKeyObjects, " key objects"));
    numbers.push_back(*number);
    return {};
  });
  if (!listed.ok()) return listed;
  std::sort(numbers.begin(), numbers.end());
  for (const std::uint64_t number : numbers) {
    const std::string next = entry_key(ledger.head().number + 1);
    if (number != ledger.head().number + 1)
      return Status(Code::damaged, base::cat(next, " is missing, and there are later ones"));
    const Result<Bytes> bytes = storage.get(next, base::kMaxKeyObjectBytes);
    if (!bytes.ok()) return bytes.status();
    if (const Status status = ledger.add(*bytes, next); !status.ok()) return status;
  }
  return {};
}

Status rolled_back(Storage& storage, const ChainHead& remembered) {
  return Status(Code::diverged,
                base::cat(storage.describe(), ": the keys are not those that were seen here before (",
                          entry_key(remembered.number), ")"),
                "the target was rolled back or replaced; find out by whom before you go on");
}

// That the last entry which we know is still there.
Status check_head(Storage& storage, const ChainHead& head) {
  const Result<Bytes> bytes = storage.get(entry_key(head.number), base::kMaxKeyObjectBytes);
  if (bytes.ok() && crypto::sha256(*bytes) == head.digest) return {};
  return bytes.ok() || bytes.status().code() == Code::not_found ? rolled_back(storage, head) : bytes.status();
}

Status open_grants(const Ledger& ledger, const Identity& me, std::uint64_t behind, Secrets& secrets) {
  for (const Ledger::Granted& granted : ledger.grants_of(me.holder)) {
    if (granted.entry <= behind) continue;
    const Result<std::optional<crypto::SecretBytes>> opened = crypto::open_box(
        me.open_key, me.agree, grant_context(ledger.target(), granted.entry, me.holder), granted.box);
    if (!opened.ok()) return opened.status();
    if (!opened.value() || !decode_secrets((*opened.value()).view(), secrets))
      return Status(Code::damaged, base::cat(entry_key(granted.entry), ": the grant for holder ", me.holder,
                                             " does not open with its key"));
  }
  return {};
}

// That the holder got what its rights need: otherwise it would find out in the middle of a restore.
Status check_secrets(const Ledger& ledger, std::uint32_t number, const Secrets& secrets) {
  const Holder& holder = *ledger.find(number);
  const auto damaged = [&](std::string_view what) {
    return Status(Code::damaged,
                  base::cat("the keys granted to '", base::escape(holder.info.label), "' ", what));
  };
  if (!secrets.id || !secrets.shared || !secrets.digest) return damaged("are not complete");
  for (const Epoch& epoch : ledger.epochs()) {
    for (std::size_t i = 0; i < kSealedAudiences.size(); ++i) {
      if (holder.info.removed || !may_open(holder.info.rights, kSealedAudiences[i])) continue;
      const crypto::Key256* const key = secrets.find(kSealedAudiences[i], epoch.number);
      if (key == nullptr || crypto::x25519_public_key(*key) != epoch.public_keys[i])
        return damaged(base::cat("do not open what was sealed in epoch ", epoch.number));
    }
  }
  if (!has(holder.info.rights, KeyRight::manage)) return {};
  if (!secrets.authority || crypto::ed25519_public_key(*secrets.authority) != ledger.authority())
    return damaged("do not sign for the authority");
  return {};
}

Result<std::shared_ptr<const RingState>> make_state(Ledger ledger, const Identity& me, Secrets secrets,
                                                    std::uint64_t behind) {
  if (const Status status = open_grants(ledger, me, behind, secrets); !status.ok()) return status;
  if (const Status status = check_secrets(ledger, me.holder, secrets); !status.ok()) return status;
  std::optional<HolderKeys> own = me.own;
  if (!own && secrets.holder) own = derive_holder_keys(*secrets.holder);
  if (!own || crypto::ed25519_public_key(own->sign) != ledger.find(me.holder)->sign_key)
    return Status(Code::damaged, base::cat("holder ", me.holder, " was not given its signing key"));
  return std::shared_ptr<const RingState>(std::make_shared<RingState>(
      RingState{std::move(ledger), me.holder, std::move(secrets), std::move(*own)}));
}

// Someone who is to get a grant.
struct Newcomer {
  Holder holder;
  std::optional<crypto::Key256> seed{};  // of a callback
};

Status fill_from_secret(const crypto::Key256& secret, const Ledger& ledger,
                        const crypto::PublicKey& authority, Holder& holder) {
  const HolderKeys keys = derive_holder_keys(secret);
  const PublicKeys public_keys = public_keys_of_secret(keys);
  holder.open_key = public_keys.open;
  holder.sign_key = public_keys.sign;
  holder.vouch = make_vouch(keys.vouch, ledger.target(), authority, holder);
  return {};
}

Result<Newcomer> make_newcomer(const NewHolder& wanted, const Ledger& ledger,
                               const crypto::PublicKey& authority, Time now) {
  const std::size_t given = (wanted.passphrase.empty() ? 0 : 1) + (wanted.key_file.empty() ? 0 : 1) +
                            (wanted.public_keys.empty() ? 0 : 1) + (wanted.callback ? 1 : 0);
  const Status one = check_one(given, "passphrase, key file, public keys and callback");
  if (!one.ok()) return one;
  const auto rights = static_cast<unsigned>(wanted.rights);
  if (rights > 7 && wanted.rights != KeyRight::manage)
    return Status(Code::invalid_argument, "unknown rights");
  if (wanted.label.size() > base::kMaxWordBytes)
    return Status(Code::invalid_argument,
                  base::cat("the label of a holder has more than ", base::kMaxWordBytes, " bytes"));
  Newcomer newcomer;
  Holder& holder = newcomer.holder;
  holder.info.number = static_cast<std::uint32_t>(ledger.holders().size() + 1);
  holder.info.rights = wanted.rights;
  holder.info.label = wanted.label;
  holder.info.server = wanted.server;
  holder.info.added = now;
  holder.info.kind = KeyHolder::Kind::key_file;
  Status filled;
  if (!wanted.passphrase.empty()) {
    holder.info.kind = KeyHolder::Kind::passphrase;
    holder.work.log2_n = wanted.passphrase_work;
    if (const Status status = crypto::random_bytes(holder.salt); !status.ok()) return status;
    const Result<crypto::Key256> secret =
        crypto::scrypt(as_bytes(wanted.passphrase), holder.salt, holder.work);
    if (!secret.ok()) return secret.status();
    filled = fill_from_secret(*secret, ledger, authority, holder);
  } else if (!wanted.key_file.empty()) {
    const Result<crypto::Key256> secret = read_key_file(wanted.key_file);
    if (!secret.ok()) return secret.status();
    filled = fill_from_secret(*secret, ledger, authority, holder);
  } else if (!wanted.public_keys.empty()) {
    const Result<PublicKeys> keys = decode_public_keys(wanted.public_keys);
    if (!keys.ok()) return keys.status();
    holder.open_key = keys->open;
    holder.sign_key = keys->sign;
  } else {
    holder.info.kind = KeyHolder::Kind::callback;
    holder.open_key = wanted.callback->public_key();
    const Result<crypto::Key256> seed = crypto::random_key();
    if (!seed.ok()) return seed.status();
    holder.sign_key = crypto::ed25519_public_key(derive_holder_keys(*seed).sign);
    newcomer.seed = *seed;
  }
  if (!filled.ok()) return filled;
  const Holder* const same = find_by_key(ledger, holder.open_key);
  if (same != nullptr)
    return Status(Code::already_exists,
                  base::cat("this is the key of '", base::escape(same->info.label), "' already"),
                  same->info.removed ? "it was removed: make a new one" : "");
  return newcomer;
}

// New keys for the audiences; the private ones go to `secrets`.
Result<Epoch> make_epoch(std::uint32_t number, Secrets& secrets) {
  Epoch epoch;
  epoch.number = number;
  for (std::size_t i = 0; i < kSealedAudiences.size(); ++i) {
    const Result<crypto::Key256> key = crypto::random_key();
    if (!key.ok()) return key.status();
    epoch.public_keys[i] = crypto::x25519_public_key(*key);
    secrets.audiences[i].insert_or_assign(number, *key);
  }
  return epoch;
}

Status grant(KeyEntry& entry, const Holder& holder, const Secrets& secrets) {
  const crypto::SecretBytes plain = encode_secrets(secrets);
  Grant made{holder.info.number, {}};
  const Status sealed = crypto::seal_box(
      holder.open_key, grant_context(entry.target, entry.number, holder.info.number), plain.view(), made.box);
  if (!sealed.ok()) return sealed.with_context(base::cat("'", base::escape(holder.info.label), "'"));
  entry.grants.push_back(std::move(made));
  return {};
}

KeyEntry entry_behind(const Ledger& ledger, const crypto::PublicKey& authority, Time now) {
  KeyEntry entry;
  entry.target = ledger.target();
  entry.number = static_cast<std::uint32_t>(ledger.head().number + 1);
  entry.previous = ledger.head().digest;
  entry.time = now;
  entry.authority = authority;
  return entry;
}

// Puts it where nobody has put one, and durably. `ledger` has it then.
Status publish(Storage& storage, Ledger& ledger, const KeyEntry& entry,
               const crypto::Key256& authority_seed) {
  const Bytes bytes = encode_entry(entry, authority_seed);
  const std::string key = entry_key(entry.number);
  if (bytes.size() > base::kMaxKeyObjectBytes)
    return Status(Code::no_space, base::cat(key, ": would have ", bytes.size(), " bytes"),
                  "remove holders that are not needed any more");
  // Everything that a reader would refuse is refused before it is there for ever.
  Ledger after = ledger;
  if (const Status status = after.add(bytes, key); !status.ok()) return status;
  const Status put = storage.put_if_absent(key, bytes);
  if (put.code() == Code::already_exists)
    return Status(Code::busy, base::cat(key, ": somebody else changed the keys at this moment"),
                  "refresh and try again");
  if (!put.ok()) return put;
  if (const Status synced = storage.sync(); !synced.ok()) return synced;
  ledger = std::move(after);
  return {};
}

Result<Secrets> first_secrets() {
  Secrets secrets;
  for (std::optional<crypto::Key256>* const key :
       {&secrets.id, &secrets.shared, &secrets.digest, &secrets.authority}) {
    const Result<crypto::Key256> drawn = crypto::random_key();
    if (!drawn.ok()) return drawn.status();
    *key = *drawn;
  }
  return secrets;
}

// A target's first entry: authority, first keys and first holder at once, so that none is ever without.
Result<Ledger> found(Storage& storage, const Id128& target, const NewHolder& first, Time now) {
  Ledger ledger(target);
  Result<Secrets> secrets = first_secrets();
  if (!secrets.ok()) return secrets.status();
  const crypto::PublicKey authority = crypto::ed25519_public_key(*secrets->authority);
  KeyEntry entry = entry_behind(ledger, authority, now);
  const Result<Epoch> epoch = make_epoch(1, *secrets);
  if (!epoch.ok()) return epoch.status();
  entry.epochs.push_back(*epoch);
  const Result<Newcomer> newcomer = make_newcomer(first, ledger, authority, now);
  if (!newcomer.ok()) return newcomer.status();
  entry.holders.push_back(newcomer->holder);
  Secrets granted = secrets->for_rights(first.rights);
  granted.holder = newcomer->seed;
  if (const Status status = grant(entry, newcomer->holder, granted); !status.ok()) return status;
  const Status published = publish(storage, ledger, entry, *secrets->authority);
  if (!published.ok()) return published;
  return ledger;
}

}  // namespace
}  // namespace keys

inline namespace v0 {

struct KeyRing::Impl {
  std::shared_ptr<Storage> storage;
  const Clock* clock = nullptr;
  keys::Identity me;
  std::mutex changing;
  mutable std::mutex mutex;  // of `state` and `sealer`
  std::shared_ptr<const keys::RingState> state;
  std::shared_ptr<const crypto::ObjectSealer> sealer;  // with the keys of `state`

  [[nodiscard]] std::shared_ptr<const keys::RingState> now() const {
    const std::lock_guard lock(mutex);
    return state;
  }

  [[nodiscard]] std::shared_ptr<const crypto::ObjectSealer> sealer_now() const {
    const std::lock_guard lock(mutex);
    return sealer;
  }

  void set(std::shared_ptr<const keys::RingState> to) {
    const std::lock_guard lock(mutex);
    sealer = keys::make_ring_sealer(to);
    state = std::move(to);
  }

  // Takes over a longer ledger.
  [[nodiscard]] Status absorb(keys::Ledger ledger) {
    const std::shared_ptr<const keys::RingState> before = now();
    const keys::Holder& mine = *ledger.find(me.holder);
    if (mine.info.removed)
      return Status(Code::permission,
                    base::cat("the key of '", base::escape(mine.info.label), "' was removed from the target"),
                    "use a key that the target still has");
    Result<std::shared_ptr<const keys::RingState>> made =
        keys::make_state(std::move(ledger), me, before->secrets, before->ledger.head().number);
    if (!made.ok()) return made.status();
    set(*std::move(made));
    return {};
  }

  [[nodiscard]] static Status require_manage(const keys::RingState& state) {
    const KeyHolder& mine = state.ledger.find(state.holder)->info;
    if (has(mine.rights, KeyRight::manage)) return {};
    return Status(Code::permission,
                  base::cat("the key of '", base::escape(mine.label), "' may not change who holds keys"),
                  "use a key with the right to manage");
  }

  [[nodiscard]] static Result<KeyRing> open(std::shared_ptr<Storage> storage, const Id128& target,
                                            const KeyOptions& mine, std::string_view authority,
                                            const ChainHead& remembered, const Clock& clock);
  [[nodiscard]] Status change_epoch(std::uint32_t removed, const ChainHead& last_trusted);
};

Status KeyRing::Impl::change_epoch(std::uint32_t removed, const ChainHead& last_trusted) {
  const std::lock_guard lock(changing);
  const std::shared_ptr<const keys::RingState> before = now();
  if (const Status status = require_manage(*before); !status.ok()) return status;
  const keys::Ledger& ledger = before->ledger;
  keys::KeyEntry entry = keys::entry_behind(ledger, ledger.authority(), clock->now());
  if (removed != 0) entry.removals.push_back({removed, last_trusted});
  keys::Secrets secrets;
  const Result<keys::Epoch> epoch =
      keys::make_epoch(static_cast<std::uint32_t>(ledger.epochs().size() + 1), secrets);
  if (!epoch.ok()) return epoch.status();
  entry.epochs.push_back(*epoch);
  for (const keys::Holder& holder : ledger.holders()) {
    if (holder.info.removed || holder.info.number == removed) continue;
    if (!keys::may_open(holder.info.rights, crypto::Audience::references)) continue;
    const Status granted = keys::grant(entry, holder, secrets.for_rights(holder.info.rights));
    if (!granted.ok()) return granted;
  }
  keys::Ledger after = ledger;
  const Status published = keys::publish(*storage, after, entry, *before->secrets.authority);
  if (!published.ok()) return published;
  // Who removed itself goes on with what it knew, and learns of it at the next refresh.
  return removed == me.holder ? Status() : absorb(std::move(after));
}

Result<KeyRing> KeyRing::Impl::open(std::shared_ptr<Storage> storage, const Id128& target,
                                    const KeyOptions& mine, std::string_view authority,
                                    const ChainHead& remembered, const Clock& clock) {
  if (const Status status = keys::check_options(mine); !status.ok()) return status;
  keys::Ledger ledger(target);
  if (const Status status = keys::read_entries(*storage, ledger); !status.ok())
    return status.with_context(storage->describe());
  if (ledger.head().number == 0)
    return Status(Code::not_found, base::cat(storage->describe(), ": has no keys, or they were taken away"));
  const bool known = remembered.number == 0 || (remembered.number <= ledger.head().number &&
                                                ledger.digest_of(remembered.number) == remembered.digest);
  if (!known) return keys::rolled_back(*storage, remembered);
  Result<keys::Identity> me = keys::identify(ledger, mine);
  if (!me.ok()) return me.status();
  if (const Status status = keys::check_authority(ledger, *me, authority); !status.ok()) return status;
  const KeyHolder info = ledger.find(me->holder)->info;
  if (info.removed)
    return Status(Code::permission,
                  base::cat("the key of '", base::escape(info.label), "' was removed from the target"),
                  "use a key that the target still has");
  Result<std::shared_ptr<const keys::RingState>> state = keys::make_state(std::move(ledger), *me, {}, 0);
  if (!state.ok()) return state.status();
  auto impl = std::make_shared<Impl>();
  impl->storage = std::move(storage);
  impl->clock = &clock;
  impl->me = std::move(*me);
  impl->set(*std::move(state));
  return KeyRing(std::move(impl));
}

Result<std::string> create_key_file(const std::string& path) {
  const Result<crypto::Key256> secret = crypto::random_key();
  if (!secret.ok()) return secret.status();
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty()) return Status(Code::invalid_argument, base::cat(path, ": not a name for a key file"));
  const Result<os::Fd> opened = os::open_dir(os::real_io(), directory);
  if (!opened.ok()) return opened.status();
  std::string text = keys::encode_key_file(*secret);
  const Status published =
      os::publish_file(os::real_io(), opened.value().get(), name, as_bytes(text), 0600, os::Replace::no);
  crypto::wipe({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  if (!published.ok()) return published;
  return keys::encode_public_keys(keys::public_keys_of_secret(keys::derive_holder_keys(*secret)));
}

Result<std::string> public_keys_of(const std::string& path) {
  const Result<crypto::Key256> secret = keys::read_key_file(path);
  if (!secret.ok()) return secret.status();
  return keys::encode_public_keys(keys::public_keys_of_secret(keys::derive_holder_keys(*secret)));
}

Result<KeyRing> KeyRing::create(std::shared_ptr<Storage> storage, const Id128& target,
                                const KeyOptions& first, const FirstHolder& who, const Clock& clock) {
  if (const Status status = keys::check_options(first); !status.ok()) return status;
  const Result<ObjectInfo> there = storage->info(keys::entry_key(1));
  if (there.ok()) return Status(Code::already_exists, base::cat(storage->describe(), ": has keys already"));
  if (there.status().code() != Code::not_found) return there.status();
  NewHolder holder;
  holder.label = who.label;
  holder.rights = KeyRight::manage;
  holder.server = who.server;
  holder.passphrase = first.passphrase;
  holder.key_file = first.key_file;
  holder.callback = first.callback;
  holder.passphrase_work = who.passphrase_work;
  const Result<keys::Ledger> ledger = keys::found(*storage, target, holder, clock.now());
  crypto::wipe({reinterpret_cast<std::uint8_t*>(holder.passphrase.data()), holder.passphrase.size()});
  if (!ledger.ok())
    return ledger.status().code() == Code::busy
               ? Status(Code::already_exists, base::cat(storage->describe(), ": has keys already"))
               : ledger.status();
  // We have just made it: this is the one moment at which nobody has to be asked for the authority.
  return Impl::open(std::move(storage), target, first, to_hex(ledger->authority()), ledger->head(), clock);
}

Result<KeyRing> KeyRing::open(std::shared_ptr<Storage> storage, const Id128& target, const KeyOptions& mine,
                              const ChainHead& remembered, const Clock& clock) {
  return Impl::open(std::move(storage), target, mine, mine.authority, remembered, clock);
}

KeyRight KeyRing::rights() const {
  const auto state = impl_->now();
  return state->ledger.find(state->holder)->info.rights;
}

std::uint32_t KeyRing::holder() const { return impl_->me.holder; }

std::vector<KeyHolder> KeyRing::holders() const {
  std::vector<KeyHolder> out;
  const auto state = impl_->now();
  for (const keys::Holder& holder : state->ledger.holders()) out.push_back(holder.info);
  return out;
}

std::uint32_t KeyRing::epoch() const { return impl_->now()->ledger.epochs().back().number; }
std::string KeyRing::authority() const { return to_hex(impl_->now()->ledger.authority()); }
ChainHead KeyRing::head() const { return impl_->now()->ledger.head(); }

Status KeyRing::refresh() {
  const std::lock_guard lock(impl_->changing);
  keys::Ledger ledger = impl_->now()->ledger;
  const ChainHead before = ledger.head();
  if (const Status status = keys::check_head(*impl_->storage, before); !status.ok()) return status;
  if (const Status status = keys::read_entries(*impl_->storage, ledger); !status.ok()) return status;
  return ledger.head() == before ? Status() : impl_->absorb(std::move(ledger));
}

Result<std::uint32_t> KeyRing::add(const NewHolder& wanted) {
  const std::lock_guard lock(impl_->changing);
  const std::shared_ptr<const keys::RingState> before = impl_->now();
  if (const Status status = Impl::require_manage(*before); !status.ok()) return status;
  keys::Ledger ledger = before->ledger;
  const Time now = impl_->clock->now();
  const Result<keys::Newcomer> newcomer = keys::make_newcomer(wanted, ledger, ledger.authority(), now);
  if (!newcomer.ok()) return newcomer.status();
  keys::KeyEntry entry = keys::entry_behind(ledger, ledger.authority(), now);
  entry.holders.push_back(newcomer->holder);
  keys::Secrets granted = before->secrets.for_rights(wanted.rights);
  granted.holder = newcomer->seed;
  if (const Status status = keys::grant(entry, newcomer->holder, granted); !status.ok()) return status;
  const Status published = keys::publish(*impl_->storage, ledger, entry, *before->secrets.authority);
  if (!published.ok()) return published;
  if (const Status status = impl_->absorb(std::move(ledger)); !status.ok()) return status;
  return newcomer->holder.info.number;
}

Status KeyRing::remove(std::uint32_t number, const ChainHead& last_trusted) {
  const auto state = impl_->now();
  const keys::Holder* const holder = state->ledger.find(number);
  if (holder == nullptr || holder->info.removed)
    return Status(Code::not_found, base::cat("the target has no holder ", number));
  std::size_t managers = 0;
  for (const keys::Holder& other : state->ledger.holders()) {
    const bool counts = !other.info.removed && other.info.number != number;
    managers += counts && has(other.info.rights, KeyRight::manage) ? 1 : 0;
  }
  if (managers == 0)
    return Status(Code::invalid_argument,
                  base::cat("'", base::escape(holder->info.label), "' is the last who may manage the keys"),
                  "add another one before");
  return impl_->change_epoch(number, last_trusted);
}

Status KeyRing::rotate() { return impl_->change_epoch(0, {}); }

namespace {

class LiveSealer final : public crypto::ObjectSealer {
 public:
  explicit LiveSealer(std::shared_ptr<const KeyRing::Impl> ring) : ring_(std::move(ring)) {}

  [[nodiscard]] bool encrypts() const noexcept override { return true; }
  [[nodiscard]] Id128 key_id(crypto::Audience audience) const override {
    return ring_->sealer_now()->key_id(audience);
  }
  [[nodiscard]] bool can_open(crypto::Audience audience) const noexcept override {
    return ring_->sealer_now()->can_open(audience);
  }
  [[nodiscard]] bool can_sign(crypto::ObjectKind kind) const noexcept override {
    return ring_->sealer_now()->can_sign(kind);
  }
  [[nodiscard]] Digest content_id(const Digest& sha256) const override {
    return ring_->sealer_now()->content_id(sha256);
  }
  Result<std::unique_ptr<crypto::BlockSealer>> begin(const crypto::ObjectPlace& place,
                                                     crypto::Audience audience) const override {
    return ring_->sealer_now()->begin(place, audience);
  }
  Result<std::unique_ptr<crypto::BlockOpener>> open(const crypto::ObjectPlace& place,
                                                    crypto::Audience audience,
                                                    ByteView envelope) const override {
    return ring_->sealer_now()->open(place, audience, envelope);
  }
  Result<crypto::SignatureOf> sign(const crypto::ObjectPlace& place, const Digest& digest) const override {
    return ring_->sealer_now()->sign(place, digest);
  }
  Result<crypto::Signer> verify(const crypto::ObjectPlace& place, const Digest& digest,
                                const crypto::SignatureOf& signature) const override {
    return ring_->sealer_now()->verify(place, digest, signature);
  }

 private:
  std::shared_ptr<const KeyRing::Impl> ring_;
};

}  // namespace

std::shared_ptr<const crypto::ObjectSealer> KeyAccess::sealer(const KeyRing& ring) {
  return ring.impl_->sealer_now();
}
std::shared_ptr<const crypto::ObjectSealer> KeyAccess::live_sealer(const KeyRing& ring) {
  return std::make_shared<LiveSealer>(ring.impl_);
}
crypto::Key256 KeyAccess::digest_key(const KeyRing& ring) { return *ring.impl_->now()->secrets.digest; }
crypto::Key256 KeyAccess::state_key(const KeyRing& ring) { return ring.impl_->now()->own.state; }
keys::Ledger KeyAccess::ledger(const KeyRing& ring) { return ring.impl_->now()->ledger; }

}  // namespace v0
}  // namespace restante
