#pragma once
// Who stands for the sessions of a target with keys: a session counts if a link in the chain of somebody who
// may write names its session.xml (docs/format/keys.md, "Chains").

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <restante/keys.hpp>
#include <restante/storage.hpp>
#include <restante/time.hpp>

#include "keys/chain.hpp"

namespace restante::target {

// Thread-safe.
class SessionVouchers {
 public:
  // `diverged` if the keys, or the newest link of a session that was seen here before, are gone: what this
  // machine has seen is in `state_directory`. `damaged` if that file is not what this key wrote.
  [[nodiscard]] static Result<std::unique_ptr<SessionVouchers>> open(std::shared_ptr<Storage> storage,
                                                                     const KeyRing& ring, const Id128& target,
                                                                     const Clock& clock,
                                                                     const std::string& state_directory);
  ~SessionVouchers();

  // Of a published session.xml as it is stored. `damaged` if nobody stands for it, or somebody else than
  // `server`, or one whose word does not count any more; or if the chain that would tell is damaged.
  [[nodiscard]] Status check(std::string_view label, const Id128& server, ByteView file);
  // Puts the link of a session that is about to be published. `permission` without the right to write.
  [[nodiscard]] Status announce(std::string_view label, ByteView file);
  // See BackupTarget::chain_head.
  [[nodiscard]] Result<ChainHead> head_of(std::uint32_t holder, std::string_view label);
  // Keeps in the state directory what was seen: of sessions that were published, whose links are durable.
  [[nodiscard]] Status remember();

 private:
  SessionVouchers(std::shared_ptr<Storage> storage, const KeyRing& ring, const Id128& target,
                  const Clock& clock, std::string state_directory);

  struct ChainState {
    keys::Chain chain;
    Status failure;  // why it cannot be read further
  };
  struct Found {
    std::uint32_t holder = 0;
    std::uint64_t number = 0;
  };

  [[nodiscard]] std::string heads_name() const;
  [[nodiscard]] Result<keys::RememberedHeads> load_heads() const;
  [[nodiscard]] Status check_heads() const;
  [[nodiscard]] Status read_chains();
  [[nodiscard]] const Found* find(std::string_view label, const Digest& session) const;
  [[nodiscard]] Status check_found(const Found& found, const Id128& server, std::string_view label);

  const std::shared_ptr<Storage> storage_;
  const KeyRing ring_;
  const Id128 target_;
  const Clock& clock_;
  const std::string state_directory_;
  const std::shared_ptr<const crypto::ObjectSealer> sealer_;

  std::mutex mutex_;
  std::map<std::uint32_t, ChainState> chains_;
  std::multimap<std::string, Found, std::less<>> by_label_;
  keys::RememberedHeads seen_;
  bool has_seen_more_ = false;
};

}  // namespace restante::target
