// Finding sessions, published and not, and the accounts in them.

#include <algorithm>
#include <set>

#include "base/limits.hpp"
#include "base/text.hpp"
#include "base/wire.hpp"
#include "crypto/crypto.hpp"
#include "target/label.hpp"
#include "target/target_impl.hpp"

namespace restante::target {
namespace {

// A session on another machine whose heartbeat is older than this is called interrupted; its own process
// writes one every few seconds. For display only: nothing is removed because of it.
constexpr std::int64_t kHeartbeatLimitUs = 300'000'000;

// Objects of sessions_tmp that say what a session is or asks; all other objects are its data.
std::optional<std::string> label_of_key(std::string_view key, std::string_view top) {
  key.remove_prefix(top.size());
  const std::size_t slash = key.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return std::string(key.substr(0, slash));
}

Result<std::set<std::string>> labels_below(Storage& storage, std::string_view top, std::string_view file) {
  std::set<std::string> labels;
  const Status listed = storage.list(top, [&](const ObjectInfo& object) -> Status {
    const std::optional<std::string> label = label_of_key(object.key, top);
    if (!label || !parse_label(*label)) return {};
    if (file.empty() || object.key == base::cat(top, *label, "/", file)) labels.insert(*label);
    return {};
  });
  if (!listed.ok()) return listed;
  return labels;
}

SessionStatus status_of_unpublished(const SessionRecord& record, Time now) {
  if (!record.process) return SessionStatus::interrupted;
  const std::optional<bool> alive = os::is_alive(*record.process);
  const bool fresh = now.us - record.info.ended.us < kHeartbeatLimitUs;
  return alive.value_or(fresh) ? SessionStatus::running : SessionStatus::interrupted;
}

bool is_of_the_session(const Status& status) {
  return status.code() == Code::damaged || status.code() == Code::unsupported;
}

}  // namespace

bool older(const RecordPointer& a, const RecordPointer& b) {
  const auto key = [](const RecordPointer& r) { return std::pair(time_part(r->info.label), r->info.label); };
  return key(a) < key(b);
}

std::string session_prefix(std::string_view label) { return base::cat("sessions/", label, "/"); }
std::string running_prefix(std::string_view label) { return base::cat("sessions_tmp/", label, "/"); }
std::string staging_prefix(std::string_view label) { return base::cat("sessions_tmp/", label, "/data/"); }

Result<RecordPointer> published_session(BackupTarget::Impl& target, std::string_view label) {
  {
    const std::scoped_lock lock(target.mutex);
    if (const auto known = target.published.find(std::string(label)); known != target.published.end())
      return known->second;
  }
  const std::string key = session_prefix(label) + std::string(kSessionFile);
  const Result<Bytes> file = target.storage->get(key, base::kMaxSessionFileBytes);
  if (!file.ok()) return file.status();
  constexpr const char* kHint = "put the file back from a copy of the target; other sessions do not need it";
  Result<SessionRecord> record = decode_session(*file, key, session_place(target, key));
  if (record.ok() && target.vouchers)
    if (Status s = target.vouchers->check(label, record->info.server, *file); !s.ok()) record = s;
  if (record.status().code() == Code::damaged) return Status(Code::damaged, record.status().message(), kHint);
  if (!record.ok()) return record.status();
  if (record->info.label != label)
    return Status(Code::damaged,
                  base::cat(key, ": says that it is session ", base::escape(record->info.label)), kHint);
  const auto pointer = std::make_shared<const SessionRecord>(*std::move(record));
  const std::scoped_lock lock(target.mutex);
  target.published.emplace(label, pointer);
  return RecordPointer(pointer);
}

Result<std::vector<RecordPointer>> published_sessions(BackupTarget::Impl& target,
                                                      std::vector<UnreadableSession>* unreadable) {
  const Result<std::set<std::string>> labels = labels_below(*target.storage, "sessions/", kSessionFile);
  if (!labels.ok()) return labels.status();
  std::vector<RecordPointer> records;
  for (const std::string& label : *labels) {
    Result<RecordPointer> record = published_session(target, label);
    if (record.status().code() == Code::not_found) continue;  // removed meanwhile
    if (is_of_the_session(record.status())) {
      if (unreadable) unreadable->push_back({label, record.status()});
      continue;
    }
    if (!record.ok()) return record.status();
    records.push_back(*std::move(record));
  }
  std::sort(records.begin(), records.end(), older);
  if (target.vouchers)
    if (Status s = target.vouchers->remember(); !s.ok()) return s;
  return records;
}

std::string note_of(const std::vector<UnreadableSession>& unreadable) {
  if (unreadable.empty()) return {};
  std::string note = unreadable.size() == 1 ? "; session " : "; sessions ";
  for (std::size_t i = 0; i < unreadable.size(); ++i) note += (i == 0 ? "" : ", ") + unreadable[i].label;
  return note + " cannot be read";
}

Result<std::vector<RecordPointer>> unpublished_sessions(BackupTarget::Impl& target) {
  const Result<std::set<std::string>> labels = labels_below(*target.storage, "sessions_tmp/", {});
  if (!labels.ok()) return labels.status();
  std::vector<RecordPointer> records;
  for (const std::string& label : *labels) {
    SessionRecord record;
    const std::string key = running_prefix(label) + std::string(kStatusFile);
    const Result<Bytes> file = target.storage->get(key, base::kMaxSessionFileBytes);
    // Whether a session runs must not be guessed: two would work on one account.
    if (!file.ok() && file.status().code() != Code::not_found && !is_of_the_session(file.status()))
      return file.status();
    // Behind the look at its status: one that has none may have been published meanwhile.
    const Status published = target.storage->info(session_prefix(label) + std::string(kSessionFile)).status();
    if (published.ok()) continue;
    if (published.code() != Code::not_found) return published;
    if (file.ok()) {
      // One that makes no sense is that of an interrupted session: it is never the base of anything.
      if (Result<SessionRecord> decoded = decode_session(*file, key, status_place(target, key)); decoded.ok())
        record = *std::move(decoded);
    }
    record.info.label = label;
    record.info.type = parse_label(label)->type;
    record.info.began = parse_label(label)->began;
    record.info.status = status_of_unpublished(record, target.clock->now());
    records.push_back(std::make_shared<const SessionRecord>(std::move(record)));
  }
  std::sort(records.begin(), records.end(), older);
  return records;
}

XmlPlace session_place(const BackupTarget::Impl& target, std::string_view key) {
  return {{crypto::ObjectKind::session, key}, crypto::Audience::metadata, *target.sealer};
}

// Everybody with a key has to see who is at work, and on which accounts.
XmlPlace status_place(const BackupTarget::Impl& target, std::string_view key) {
  return {{crypto::ObjectKind::session, key}, crypto::Audience::shared, *target.sealer};
}

SnapshotSite snapshot_site(const BackupTarget::Impl& target, std::string_view label) {
  return {target.id, session_prefix(label), *target.sealer};
}

ArchiveSite archive_site(const BackupTarget::Impl& target) { return {target.id, *target.sealer}; }

ArchiveInto archive_into(BackupTarget::Impl& target, content::ContentWriter& content) {
  return {*target.storage, content, archive_site(target), target.compression_level};
}

Status put_content_ids(const BackupTarget::Impl& target, const std::set<Digest>& contents,
                       Publication& publication, SessionRecord& record) {
  std::set<Digest> ids;
  for (const Digest& content : contents) ids.insert(target.sealer->content_id(content));
  Bytes plain;
  base::ByteWriter writer(plain);
  for (const Digest& id : ids) writer.raw(id);
  const std::string key = session_prefix(record.info.label) + std::string(kContentIdsFile);
  const Result<Bytes> stored =
      target.sealer->seal_whole({crypto::ObjectKind::references, key}, crypto::Audience::references, plain);
  if (!stored.ok()) return stored.status();
  record.contents = ids.size();
  record.contents_digest = crypto::sha256(*stored);
  return publication.put(kContentIdsFile, *stored);
}

Status publish_session(BackupTarget::Impl& target, const SessionRecord& record, Publication& publication) {
  const std::string key = session_prefix(record.info.label) + std::string(kSessionFile);
  const Result<Bytes> file = encode_session(record, session_place(target, key));
  if (!file.ok()) return file.status();
  if (target.vouchers)
    if (Status s = target.vouchers->announce(record.info.label, *file); !s.ok()) return s;
  return publication.publish(kSessionFile, *file);
}

Result<std::vector<Digest>> read_content_ids(BackupTarget::Impl& target, const SessionRecord& record) {
  const std::string key = session_prefix(record.info.label) + std::string(kContentIdsFile);
  const std::size_t around = target.sealer->encrypts() ? crypto::kEnvelopeBytes + crypto::kSealBytes : 0;
  const Result<Bytes> bytes = target.storage->get_range(key, 0, record.contents * sizeof(Digest) + around);
  if (!bytes.ok()) return bytes.status();
  if (crypto::sha256(*bytes) != record.contents_digest)
    return Status(Code::damaged, base::cat(key, ": its bytes are not what was written (SHA-256 differs)"));
  const Result<Bytes> plain =
      target.sealer->open_whole({crypto::ObjectKind::references, key}, crypto::Audience::references, *bytes);
  if (!plain.ok()) return plain.status();
  std::vector<Digest> digests(record.contents);
  base::ByteReader reader(*plain);
  for (Digest& digest : digests) digest = reader.digest();
  return digests;
}

}  // namespace restante::target

namespace restante {
inline namespace v0 {
namespace {

bool matches(const SessionInfo& info, const SessionQuery& query) {
  if (!query.label.empty() && info.label != query.label) return false;
  if (query.type && info.type != *query.type) return false;
  if (query.from && info.began < *query.from) return false;
  if (query.to && info.began > *query.to) return false;
  if (query.account.empty()) return true;
  return std::any_of(info.accounts.begin(), info.accounts.end(), [&](const SessionAccount& account) {
    return account.id == query.account || account.address == query.account;
  });
}

// What can be told of a session whose session.xml cannot be read.
target::RecordPointer stand_in(const target::UnreadableSession& session) {
  target::SessionRecord record;
  const auto parsed = target::parse_label(session.label);
  record.info.label = session.label;
  record.info.type = parsed->type;
  record.info.began = parsed->began;
  record.info.ended = parsed->began;
  record.info.status = SessionStatus::failed;
  record.info.error = session.why.message();
  return std::make_shared<const target::SessionRecord>(std::move(record));
}

std::vector<target::RecordPointer> merged(const std::vector<target::RecordPointer>& a,
                                          const std::vector<target::RecordPointer>& b) {
  std::vector<target::RecordPointer> all;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all), target::older);
  return all;
}

bool has(const std::vector<target::RecordPointer>& records, std::string_view label) {
  return std::any_of(records.begin(), records.end(),
                     [&](const target::RecordPointer& record) { return record->info.label == label; });
}

// The union over all sessions: the newest full of an account wins, its newest address is kept.
std::vector<TargetAccount> accounts_of(const std::vector<target::RecordPointer>& oldest_first) {
  std::map<std::string, TargetAccount> by_id;
  for (const target::RecordPointer& record : oldest_first) {
    for (const SessionAccount& account : record->info.accounts) {
      if (account.status != AccountStatus::completed || !account.full) continue;
      TargetAccount& entry = by_id[account.id];
      entry.id = account.id;
      entry.address = account.address;
      if (!entry.full_label.empty() && account.consistent_at < entry.consistent_at) continue;
      entry.full_label = record->info.label;
      entry.consistent_at = account.consistent_at;
    }
  }
  std::vector<TargetAccount> accounts;
  for (auto& [id, account] : by_id) accounts.push_back(std::move(account));
  return accounts;
}

}  // namespace

const SessionAccount* SessionInfo::find(std::string_view account_id) const {
  const auto found = std::find_if(accounts.begin(), accounts.end(),
                                  [&](const SessionAccount& account) { return account.id == account_id; });
  return found == accounts.end() ? nullptr : &*found;
}

Result<std::vector<SessionInfo>> BackupTarget::sessions(const SessionQuery& query) const {
  // First, so that one that is published meanwhile is not missed.
  std::vector<target::RecordPointer> running;
  if (query.unpublished) {
    Result<std::vector<target::RecordPointer>> found = target::unpublished_sessions(*impl_);
    if (!found.ok()) return found.status();
    running = *std::move(found);
  }
  std::vector<target::UnreadableSession> unreadable;
  Result<std::vector<target::RecordPointer>> records = target::published_sessions(*impl_, &unreadable);
  if (!records.ok()) return records.status();
  std::vector<target::RecordPointer> others;
  std::transform(unreadable.begin(), unreadable.end(), std::back_inserter(others), stand_in);
  std::sort(others.begin(), others.end(), target::older);
  *records = merged(*records, others);
  std::erase_if(running,
                [&](const target::RecordPointer& record) { return has(*records, record->info.label); });
  *records = merged(*records, running);
  std::vector<SessionInfo> infos;
  for (auto record = records->rbegin(); record != records->rend(); ++record)
    if (matches((*record)->info, query)) infos.push_back((*record)->info);
  return infos;
}

Result<SessionInfo> BackupTarget::session(std::string_view label) const {
  // One that is published between the looks is found by the last.
  for (const bool is_last : {false, true}) {
    if (!target::parse_label(label)) break;
    const Result<target::RecordPointer> published = target::published_session(*impl_, label);
    if (published.ok()) return (*published)->info;
    if (published.status().code() != Code::not_found) return published.status();
    if (is_last) break;
    const Result<std::vector<target::RecordPointer>> running = target::unpublished_sessions(*impl_);
    if (!running.ok()) return running.status();
    for (const target::RecordPointer& record : *running)
      if (record->info.label == label) return record->info;
  }
  const Result<std::vector<SessionInfo>> all = sessions();
  std::string hint = "there is no session in this target yet";
  if (all.ok() && !all->empty()) {
    hint = base::cat("the newest sessions are ", (*all)[0].label);
    for (std::size_t i = 1; i < std::min<std::size_t>(3, all->size()); ++i) hint += ", " + (*all)[i].label;
  }
  return Status(Code::not_found, base::cat("no session ", base::escape(label), " in ", describe()), hint);
}

Result<std::vector<TargetAccount>> BackupTarget::accounts() const {
  const Result<std::vector<target::RecordPointer>> records = target::published_sessions(*impl_);
  if (!records.ok()) return records.status();
  return accounts_of(*records);
}

Result<TargetAccount> BackupTarget::find_account(std::string_view id_or_address) const {
  std::vector<target::UnreadableSession> unreadable;
  const Result<std::vector<target::RecordPointer>> records = target::published_sessions(*impl_, &unreadable);
  if (!records.ok()) return records.status();
  const std::vector<TargetAccount> all = accounts_of(*records);
  std::vector<const TargetAccount*> found;
  for (const TargetAccount& account : all) {
    if (account.id == id_or_address) return account;
    if (account.address == id_or_address) found.push_back(&account);
  }
  if (found.size() == 1) return *found.front();
  if (found.empty()) {
    std::string hint = all.empty() ? "there is no full backup of any account in it"
                                   : base::cat("it has ", all.size(), " accounts, for example ",
                                               base::escape(all.front().address));
    hint += target::note_of(unreadable);
    return Status(Code::not_found, base::cat("no account ", base::escape(id_or_address), " in ", describe()),
                  hint);
  }
  std::string ids = base::escape(found[0]->id);
  for (std::size_t i = 1; i < found.size(); ++i) ids += ", " + base::escape(found[i]->id);
  return Status(Code::ambiguous,
                base::cat("the address ", base::escape(id_or_address), " belonged to several accounts"),
                base::cat("give one of the ids ", ids));
}

Status BackupTarget::request_abort(std::string_view label) const {
  const Result<SessionInfo> info = session(label);
  if (!info.ok()) return info.status();
  if (info->status != SessionStatus::running)
    return Status(Code::not_found,
                  base::cat("session ", label, " is not running, it is ", name_of(info->status)));
  if (Status s = impl_->storage->put(target::running_prefix(label) + std::string(target::kAbortFile), {});
      !s.ok())
    return s;
  return {};
}

Status BackupTarget::discard_interrupted(std::string_view label) const {
  const Result<SessionInfo> info = session(label);
  if (!info.ok()) return info.status();
  if (info->status == SessionStatus::running)
    return Status(Code::busy, base::cat("session ", label, " is running (", base::escape(info->owner), ")"));
  if (info->status != SessionStatus::interrupted)
    return Status(Code::invalid_argument, base::cat("session ", label, " is published"));
  // An object store builds under the final prefix; without its session.xml that is no session.
  for (const std::string& prefix : {target::running_prefix(label), target::session_prefix(label)}) {
    std::vector<std::string> keys;
    const Status listed = impl_->storage->list(prefix, [&](const ObjectInfo& object) -> Status {
      keys.push_back(object.key);
      return {};
    });
    if (!listed.ok()) return listed;
    for (const std::string& key : keys)
      if (Status s = impl_->storage->remove(key); !s.ok()) return s;
  }
  return impl_->storage->sync();
}

}  // namespace v0

namespace target {

Result<bool> rewrite_accounts(BackupTarget::Impl& target) {
  // Derived from names: whoever cannot read them leaves it to those who can.
  if (!target.sealer->can_open(crypto::Audience::metadata)) return false;
  const XmlPlace place{
      {crypto::ObjectKind::accounts, kAccountsKey}, crypto::Audience::metadata, *target.sealer};
  bool changed = false;
  // Whoever puts it looks once more: of several that do so at once, the last has seen every session.
  for (;;) {
    const Result<std::vector<RecordPointer>> records = published_sessions(target);
    if (!records.ok()) return records.status();
    const std::vector<TargetAccount> accounts = accounts_of(*records);
    const Result<Bytes> there = target.storage->get(kAccountsKey, base::kMaxSessionFileBytes);
    if (there.ok()) {
      const Result<std::vector<TargetAccount>> same = decode_accounts(*there, kAccountsKey, place);
      if (same.ok() && *same == accounts) return changed;
    }
    const Result<Bytes> file = encode_accounts(accounts, place);
    if (!file.ok()) return file.status();
    if (Status s = target.storage->put(kAccountsKey, *file); !s.ok()) return s;
    if (Status s = target.storage->sync(); !s.ok()) return s;
    changed = true;
  }
}

Status write_accounts(BackupTarget::Impl& target) { return rewrite_accounts(target).status(); }

}  // namespace target
}  // namespace restante
