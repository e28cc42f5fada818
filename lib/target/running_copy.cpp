#include "target/running_copy.hpp"

#include "base/text.hpp"
#include "target/label.hpp"

namespace restante::target {
namespace {

constexpr std::chrono::milliseconds kTickInterval{500};
constexpr std::int64_t kLabelStepUs = 1000;

}  // namespace

RunningCopy::RunningCopy(BackupTarget::Impl& target, SessionRecord record)
    : target_(target), record_(std::move(record)) {
  record_.info.status = SessionStatus::running;
  record_.process = os::this_process();
  record_.info.owner = base::cat(record_.process->host, " pid ", record_.process->pid, " (copy)");
}

RunningCopy::~RunningCopy() {
  if (!is_visible_) return;
  // What stays is that of a session that ended: it is told apart by its process.
  static_cast<void>(target_.storage->remove(abort_key()));
  static_cast<void>(target_.storage->remove(status_key()));
}

Status RunningCopy::begin() {
  if (Status s = clear_leftovers(); !s.ok()) return s;
  const Status taken = take_label();
  if (taken.code() == Code::already_exists)
    return Status(Code::busy, base::cat("session ", label(), " is being written by somebody else"));
  return taken;
}

Status RunningCopy::begin_at_free_label() {
  if (record_.info.label.empty()) record_.info.began = target_.clock->now();
  for (;;) {
    record_.info.label = make_label(record_.info.type, record_.info.began);
    if (Status s = clear_leftovers(); !s.ok() && s.code() != Code::busy) return s;
    const Status published =
        target_.storage->info(session_prefix(label()) + std::string(kSessionFile)).status();
    if (!published.ok() && published.code() != Code::not_found) return published;
    const Status taken = published.ok() ? Status(Code::already_exists, "") : take_label();
    if (taken.code() != Code::already_exists) return taken;
    record_.info.began.us += kLabelStepUs;
  }
}

// What somebody left who is gone.
Status RunningCopy::clear_leftovers() const {
  const BackupTarget handle =
      TargetAccess::make(std::shared_ptr<BackupTarget::Impl>(std::shared_ptr<void>(), &target_));
  const Result<SessionInfo> there = handle.session(label());
  if (there.status().code() == Code::not_found || there.status().code() == Code::damaged) return {};
  if (!there.ok()) return there.status();
  if (there->status == SessionStatus::running)
    return Status(Code::busy,
                  base::cat("session ", label(), " is being written by ", base::escape(there->owner)));
  return there->status == SessionStatus::interrupted ? handle.discard_interrupted(label()) : Status();
}

Status RunningCopy::take_label() {
  const Result<Bytes> status = encode();
  if (!status.ok()) return status.status();
  if (Status s = target_.storage->put_if_absent(status_key(), *status); !s.ok()) return s;
  is_visible_ = true;
  if (Status s = clear_cut_publication(); !s.ok()) {
    if (s.code() != Code::already_exists) return s;
    is_visible_ = false;
    const Status released = target_.storage->remove(status_key());
    return released.ok() ? s : released;
  }
  // Twice: what is known of removals is told to others before it is relied upon (R12).
  if (Status s = take_lease(); !s.ok()) return s;
  return take_lease();
}

// With the label nobody else writes below it. What lies there without session.xml, which comes last, is what
// somebody left whose entry in sessions_tmp was deleted.
Status RunningCopy::clear_cut_publication() const {
  std::vector<std::string> keys;
  const std::string prefix = session_prefix(label());
  const Status listed = target_.storage->list(prefix, [&](const ObjectInfo& object) {
    if (object.key == prefix + std::string(kSessionFile)) return Status(Code::already_exists, object.key);
    keys.push_back(object.key);
    return Status();
  });
  if (!listed.ok()) return listed;
  for (const std::string& key : keys)
    if (Status s = target_.storage->remove(key); !s.ok()) return s;
  return {};
}

Status RunningCopy::take_lease() {
  Result<content::Lease> lease = target_.content->lease();
  if (!lease.ok()) return lease.status();
  lease_ = *std::move(lease);
  record_.known_lists = lease_.lists;
  return put_status();
}

Status RunningCopy::tick(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  if (now - last_tick_ < kTickInterval) return {};
  last_tick_ = now;
  record_.info.progress = progress;
  if (Status s = put_status(); !s.ok()) return s;
  if (!target_.storage->info(abort_key()).ok()) return {};
  return Status(Code::cancelled, "the copy was aborted");
}

std::string RunningCopy::status_key() const { return running_prefix(label()) + std::string(kStatusFile); }
std::string RunningCopy::abort_key() const { return running_prefix(label()) + std::string(kAbortFile); }

Result<Bytes> RunningCopy::encode() {
  record_.info.ended = target_.clock->now();
  return encode_session(record_, status_place(target_, status_key()));
}

Status RunningCopy::put_status() {
  const Result<Bytes> status = encode();
  return status.ok() ? target_.storage->put(status_key(), *status) : status.status();
}

}  // namespace restante::target
