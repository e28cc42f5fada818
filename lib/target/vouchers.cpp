#include "target/vouchers.hpp"

#include <fcntl.h>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "crypto/crypto.hpp"
#include "keys/key_access.hpp"
#include "os/file.hpp"

namespace restante::target {
namespace {

constexpr int kAnnounceAttempts = 100;  // each is lost only to another session of this server

Status rolled_back(std::string_view what) {
  return Status(Code::diverged, base::cat(what, ": seen here before, and missing or another now"),
                "the target was rolled back or replaced; find out by whom before you go on");
}

// The digest of the link with this number, which the one behind it names.
Digest digest_of_link(const keys::Chain& chain, std::uint64_t number) {
  return number == chain.links.size() ? chain.head.digest : chain.links[number].previous;
}

}  // namespace

SessionVouchers::SessionVouchers(std::shared_ptr<Storage> storage, const KeyRing& ring, const Id128& target,
                                 const Clock& clock, std::string state_directory)
    : storage_(std::move(storage)),
      ring_(ring),
      target_(target),
      clock_(clock),
      state_directory_(std::move(state_directory)),
      sealer_(KeyAccess::live_sealer(ring)) {}

SessionVouchers::~SessionVouchers() { static_cast<void>(remember()); }

Result<std::unique_ptr<SessionVouchers>> SessionVouchers::open(std::shared_ptr<Storage> storage,
                                                               const KeyRing& ring, const Id128& target,
                                                               const Clock& clock,
                                                               const std::string& state_directory) {
  std::unique_ptr<SessionVouchers> vouchers(
      new SessionVouchers(std::move(storage), ring, target, clock, state_directory));
  Result<keys::RememberedHeads> heads = vouchers->load_heads();
  if (!heads.ok()) return heads.status();
  vouchers->seen_ = *std::move(heads);
  if (Status s = vouchers->check_heads(); !s.ok()) return s;
  if (vouchers->seen_.keys != ring.head()) {
    vouchers->seen_.keys = ring.head();
    vouchers->has_seen_more_ = true;
  }
  return vouchers;
}

std::string SessionVouchers::heads_name() const {
  return base::cat("heads-", target_.to_string(), "-", ring_.holder());
}

Result<keys::RememberedHeads> SessionVouchers::load_heads() const {
  const std::string path = base::cat(state_directory_, "/", heads_name());
  const Result<Bytes> bytes = os::read_file(os::real_io(), AT_FDCWD, path, base::kMaxHeadsBytes);
  if (bytes.status().code() == Code::not_found) return keys::RememberedHeads{};
  if (!bytes.ok()) return bytes.status();
  return keys::decode_heads(*bytes, target_, KeyAccess::state_key(ring_), path);
}

// One small read for each chain: the rest is read when a session is asked for.
Status SessionVouchers::check_heads() const {
  const ChainHead& keys = seen_.keys;
  const keys::Ledger ledger = KeyAccess::ledger(ring_);
  if (keys.number != 0 &&
      (keys.number > ledger.head().number || ledger.digest_of(keys.number) != keys.digest))
    return rolled_back(keys::entry_key(keys.number));
  for (const auto& [holder, head] : seen_.chains) {
    const std::string key = keys::link_key(holder, head.number);
    const Result<Bytes> link = storage_->get(key, base::kMaxLinkBytes);
    if (!link.ok() && link.status().code() != Code::not_found) return link.status();
    if (!link.ok() || crypto::sha256(*link) != head.digest) return rolled_back(key);
  }
  return {};
}

// With the mutex: what was put since.
Status SessionVouchers::read_chains() {
  for (const KeyHolder& holder : ring_.holders()) {
    if (!has(holder.rights, KeyRight::write)) continue;
    ChainState& state = chains_[holder.number];
    const std::size_t known = state.chain.links.size();
    state.failure = keys::extend_chain(*storage_, *sealer_, target_, holder.number, state.chain);
    const bool is_of_the_chain =
        state.failure.code() == Code::damaged || state.failure.code() == Code::unsupported;
    if (!state.failure.ok() && !is_of_the_chain) return state.failure;
    for (std::size_t i = known; i < state.chain.links.size(); ++i)
      by_label_.emplace(state.chain.links[i].label, Found{holder.number, state.chain.links[i].number});
  }
  return {};
}

const SessionVouchers::Found* SessionVouchers::find(std::string_view label, const Digest& session) const {
  const auto [begin, end] = by_label_.equal_range(label);
  for (auto found = begin; found != end; ++found) {
    const keys::Chain& chain = chains_.at(found->second.holder).chain;
    if (chain.links[found->second.number - 1].session == session) return &found->second;
  }
  return nullptr;
}

Status SessionVouchers::check_found(const Found& found, const Id128& server, std::string_view label) {
  const keys::Ledger ledger = KeyAccess::ledger(ring_);
  const keys::Holder& holder = *ledger.find(found.holder);
  const keys::Chain& chain = chains_.at(found.holder).chain;
  const std::string who = base::escape(holder.info.label);
  if (!keys::counts(holder, chain, found.number))
    return Status(Code::damaged, base::cat("session ", label, " was made by '", who,
                                           "', whose key was removed, and which is not trusted so far"));
  if (!holder.info.server.is_none() && holder.info.server != server)
    return Status(Code::damaged,
                  base::cat("session ", label, " was made by '", who, "' in the name of another server"));
  ChainHead& seen = seen_.chains[found.holder];
  if (seen.number < found.number) {
    seen = {found.number, digest_of_link(chain, found.number)};
    has_seen_more_ = true;
  }
  return {};
}

Status SessionVouchers::check(std::string_view label, const Id128& server, ByteView file) {
  const Digest session = crypto::sha256(file);
  const std::scoped_lock lock(mutex_);
  const Found* found = find(label, session);
  if (found == nullptr) {
    if (Status s = read_chains(); !s.ok()) return s;
    found = find(label, session);
  }
  if (found != nullptr) return check_found(*found, server, label);
  for (const auto& [holder, state] : chains_)
    if (!state.failure.ok()) return state.failure;
  return Status(Code::damaged,
                base::cat("session ", label, ": no server of this target made this session.xml"));
}

Status SessionVouchers::announce(std::string_view label, ByteView file) {
  const std::scoped_lock lock(mutex_);
  keys::ChainLink link;
  link.target = target_;
  link.holder = ring_.holder();
  link.label = label;
  link.session = crypto::sha256(file);
  Status put(Code::busy, "");
  for (int attempt = 0; attempt < kAnnounceAttempts && put.code() == Code::busy; ++attempt) {
    if (Status s = read_chains(); !s.ok()) return s;
    const ChainState& mine = chains_[link.holder];
    if (!mine.failure.ok()) return mine.failure;
    link.time = clock_.now();
    put = keys::append_link(*storage_, *sealer_, mine.chain.head, link).status();
  }
  return put;
}

Result<ChainHead> SessionVouchers::head_of(std::uint32_t holder, std::string_view label) {
  const std::scoped_lock lock(mutex_);
  if (Status s = read_chains(); !s.ok()) return s;
  const auto state = chains_.find(holder);
  if (state == chains_.end()) return ChainHead{};
  if (!state->second.failure.ok()) return state->second.failure;
  const keys::Chain& chain = state->second.chain;
  if (label.empty()) return chain.head;
  for (const keys::ChainLink& link : chain.links)
    if (link.label == label) return ChainHead{link.number, digest_of_link(chain, link.number)};
  return Status(Code::not_found, base::cat("holder ", holder, " has not made session ", label));
}

Status SessionVouchers::remember() {
  const std::scoped_lock lock(mutex_);
  if (!has_seen_more_) return {};
  // Another process of this machine may have seen more.
  const Result<keys::RememberedHeads> others = load_heads();
  if (!others.ok()) return others.status();
  keys::RememberedHeads heads = seen_;
  if (others->keys.number > heads.keys.number) heads.keys = others->keys;
  for (const auto& [holder, head] : others->chains)
    if (head.number > heads.chains[holder].number) heads.chains[holder] = head;
  const Result<os::Fd> directory = os::make_dirs(os::real_io(), AT_FDCWD, state_directory_, 0700);
  if (!directory.ok()) return directory.status();
  const Bytes bytes = keys::encode_heads(heads, target_, KeyAccess::state_key(ring_));
  const Status kept =
      os::publish_file(os::real_io(), directory->get(), heads_name(), bytes, 0600, os::Replace::yes);
  if (kept.ok()) has_seen_more_ = false;
  return kept;
}

}  // namespace restante::target
