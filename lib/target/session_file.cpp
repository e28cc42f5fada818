#include "target/session_file.hpp"

#include <algorithm>
#include <array>
#include <pugixml.hpp>

#include "base/text.hpp"
#include "target/xml_text.hpp"

namespace restante {
inline namespace v0 {

std::string_view name_of(SessionType type) noexcept {
  return type == SessionType::full ? "full" : "incremental";
}

std::string_view name_of(SessionStatus status) noexcept {
  switch (status) {
    case SessionStatus::running: return "running";
    case SessionStatus::completed: return "completed";
    case SessionStatus::partial: return "partial";
    case SessionStatus::failed: return "failed";
    case SessionStatus::interrupted: return "interrupted";
  }
  return "unknown";
}

std::string_view name_of(AccountStatus status) noexcept {
  switch (status) {
    case AccountStatus::not_started: return "not started";
    case AccountStatus::in_progress: return "in progress";
    case AccountStatus::completed: return "completed";
    case AccountStatus::error: return "error";
  }
  return "unknown";
}

}  // namespace v0

namespace target {
namespace {

constexpr unsigned kSessionFileVersion = 1;

constexpr std::array kSessionStatuses = {SessionStatus::running, SessionStatus::completed,
                                         SessionStatus::partial, SessionStatus::failed,
                                         SessionStatus::interrupted};
constexpr std::array kAccountStatuses = {AccountStatus::not_started, AccountStatus::in_progress,
                                         AccountStatus::completed, AccountStatus::error};
constexpr std::array kSessionTypes = {SessionType::full, SessionType::incremental};
constexpr std::array kClasses = {DigestClass::structure, DigestClass::content, DigestClass::flags,
                                 DigestClass::counters, DigestClass::items};

void put_number(pugi::xml_node node, const char* name, std::uint64_t value) {
  node.append_attribute(name).set_value(static_cast<unsigned long long>(value));
}
void put_word(pugi::xml_node node, const char* name, std::string_view value) {
  node.append_attribute(name).set_value(std::string(value).c_str());
}

// Reads attributes and remembers the first that is not what it must be.
class Fields {
 public:
  Fields(const pugi::xml_node& node, Status& failure) : node_(node), failure_(failure) {}

  [[nodiscard]] std::uint64_t number(const char* name) const {
    const std::optional<std::uint64_t> value = base::parse_decimal(word(name));
    if (!value) fail(name);
    return value.value_or(0);
  }
  [[nodiscard]] Time time(const char* name) const {
    std::string_view text = word(name);
    const bool negative = text.starts_with('-');
    if (negative) text.remove_prefix(1);
    const std::optional<std::uint64_t> value = base::parse_decimal(text);
    if (!value || *value > INT64_MAX) {
      fail(name);
      return {};
    }
    const auto us = static_cast<std::int64_t>(*value);
    return Time{negative ? -us : us};
  }
  [[nodiscard]] Id128 id(const char* name) const {
    const Result<Id128> value = Id128::parse(word(name));
    if (!value.ok()) fail(name);
    return value.ok() ? *value : Id128{};
  }
  [[nodiscard]] Digest digest(const char* name) const {
    const Result<Digest> value = Digest::parse(word(name));
    if (!value.ok()) fail(name);
    return value.ok() ? *value : Digest{};
  }
  template <class Enum, std::size_t N>
  [[nodiscard]] Enum one_of(const char* name, const std::array<Enum, N>& values) const {
    for (Enum value : values)
      if (name_of(value) == word(name)) return value;
    fail(name);
    return values.front();
  }
  [[nodiscard]] bool flag(const char* name) const { return word(name) == "true"; }
  [[nodiscard]] std::string text(const char* name) const {
    Result<std::string> value = get_text(node_, name);
    if (!value.ok()) {
      if (failure_.ok()) failure_ = value.status();
      return {};
    }
    return *std::move(value);
  }

 private:
  [[nodiscard]] std::string_view word(const char* name) const { return node_.attribute(name).value(); }
  void fail(const char* name) const {
    if (!failure_.ok()) return;
    failure_ = Status(Code::damaged, base::cat("<", node_.name(), "> has no valid ", name));
  }

  pugi::xml_node node_;
  Status& failure_;
};

void put_snapshot(pugi::xml_node parent, const SnapshotPlace& place) {
  pugi::xml_node node = parent.append_child("snapshot");
  put_number(node, "operations", place.operations);
  for (const ObjectPart& part : place.parts) {
    pugi::xml_node child = node.append_child("part");
    put_word(child, "object", part.object);
    put_number(child, "offset", part.offset);
    put_number(child, "length", part.length);
  }
}

SnapshotPlace get_snapshot(const pugi::xml_node& node, Status& failure) {
  SnapshotPlace place;
  place.operations = Fields(node, failure).number("operations");
  for (const pugi::xml_node& child : node.children("part")) {
    const Fields fields(child, failure);
    const std::string object = child.attribute("object").value();
    if (Status s = check_key(object); !s.ok() && failure.ok()) failure = s;
    place.parts.push_back({object, fields.number("offset"), fields.number("length")});
  }
  return place;
}

void put_account(pugi::xml_node root, const SessionAccount& account, const SnapshotPlace* place) {
  pugi::xml_node node = root.append_child("account");
  put_word(node, "status", name_of(account.status));
  if (account.full) put_word(node, "full", "true");
  if (account.deleted) put_word(node, "deleted", "true");
  put_number(node, "snapshot-at", account.snapshot_at);
  put_number(node, "redo-start", account.redo_start);
  put_number(node, "consistent-at", account.consistent_at);
  put_number(node, "messages", account.messages);
  put_number(node, "bytes", account.bytes);
  put_number(node, "fields", account.fields.bits());
  put_text(node, "id", account.id);
  put_text(node, "address", account.address);
  if (!account.error.empty()) put_text(node, "error", account.error);
  if (!account.full) return;
  pugi::xml_node digest = node.append_child("digest");
  for (DigestClass c : kClasses)
    put_word(digest, std::string(name_of(c)).c_str(), account.digest.of(c).to_string());
  put_snapshot(node, *place);
}

SessionAccount get_account(const pugi::xml_node& node, Status& failure) {
  const Fields fields(node, failure);
  SessionAccount account;
  account.status = fields.one_of("status", kAccountStatuses);
  account.full = fields.flag("full");
  account.deleted = fields.flag("deleted");
  account.snapshot_at = fields.number("snapshot-at");
  account.redo_start = fields.number("redo-start");
  account.consistent_at = fields.number("consistent-at");
  account.messages = fields.number("messages");
  account.bytes = fields.number("bytes");
  account.fields = FieldSet::from_bits(static_cast<std::uint32_t>(fields.number("fields")));
  account.id = fields.text("id");
  account.address = fields.text("address");
  account.error = fields.text("error");
  if (!account.full) return account;
  const pugi::xml_node digest_node = node.child("digest");
  const Fields digests(digest_node, failure);
  for (DigestClass c : kClasses)
    account.digest.classes[static_cast<std::size_t>(c)].bytes =
        digests.digest(std::string(name_of(c)).c_str()).bytes;
  return account;
}

Status check_version(const pugi::xml_node& root, const char* name, std::string_view where) {
  if (!root) return Status(Code::damaged, base::cat(where, ": there is no <", name, "> in it"));
  const std::optional<std::uint64_t> version = base::parse_decimal(root.attribute("format").value());
  if (!version) return Status(Code::damaged, base::cat(where, ": no format version"));
  if (*version > kSessionFileVersion)
    return Status(Code::unsupported,
                  base::cat(where, ": format ", *version, " is newer than this version knows"),
                  "use the version of restante that wrote it, or a newer one");
  return {};
}

void put_public(pugi::xml_node root, const SessionInfo& info) {
  put_number(root, "format", kSessionFileVersion);
  put_word(root, "label", info.label);
  put_word(root, "type", name_of(info.type));
  put_word(root, "status", name_of(info.status));
  put_word(root, "server", info.server.to_string());
  root.append_attribute("began").set_value(static_cast<long long>(info.began.us));
  root.append_attribute("ended").set_value(static_cast<long long>(info.ended.us));
  put_word(root, "log", info.position.log.to_string());
  put_word(root, "incarnation", info.position.incarnation.to_string());
  put_number(root, "position", info.position.lsn);
  put_number(root, "first-sequence", info.first_sequence);
  put_number(root, "last-sequence", info.last_sequence);
  put_number(root, "bytes-read", info.bytes_read);
  put_number(root, "bytes-stored", info.bytes_stored);
  put_text(root, "server-name", info.server_name);
  if (!info.error.empty()) put_text(root, "error", info.error);
}

SessionInfo get_public(const pugi::xml_node& root, Status& failure) {
  const Fields fields(root, failure);
  SessionInfo info;
  info.label = root.attribute("label").value();
  info.type = fields.one_of("type", kSessionTypes);
  info.status = fields.one_of("status", kSessionStatuses);
  info.server = fields.id("server");
  info.began = fields.time("began");
  info.ended = fields.time("ended");
  info.position = {fields.id("log"), fields.id("incarnation"), fields.number("position")};
  info.first_sequence = fields.number("first-sequence");
  info.last_sequence = fields.number("last-sequence");
  info.bytes_read = fields.number("bytes-read");
  info.bytes_stored = fields.number("bytes-stored");
  info.server_name = fields.text("server-name");
  info.error = fields.text("error");
  return info;
}

void put_running(pugi::xml_node root, const SessionRecord& record) {
  const SessionInfo& info = record.info;
  const os::ProcessIdentity& process = *record.process;
  put_text(root, "owner", info.owner);
  pugi::xml_node node = root.append_child("process");
  put_text(node, "host", process.host);
  put_word(node, "boot", process.boot_id);
  put_number(node, "pid-namespace", process.pid_namespace);
  put_number(node, "pid", process.pid);
  put_number(node, "start", process.start_ticks);
  const Progress progress = info.progress.value_or(Progress{});
  node = root.append_child("progress");
  put_number(node, "accounts-done", progress.accounts_done);
  put_number(node, "accounts-total", progress.accounts_total);
  put_number(node, "messages-done", progress.messages_done);
  put_number(node, "bytes-done", progress.bytes_done);
  put_number(node, "bytes-new", progress.bytes_new);
  put_text(node, "account", progress.account_id);
  for (const Id128& list : record.known_lists)
    put_word(root.append_child("known-list"), "id", list.to_string());
}

void get_running(const pugi::xml_node& root, SessionRecord& record, Status& failure) {
  record.info.owner = Fields(root, failure).text("owner");
  const pugi::xml_node process_node = root.child("process");
  const Fields process(process_node, failure);
  record.process =
      os::ProcessIdentity{process.text("host"), process_node.attribute("boot").value(),
                          process.number("pid-namespace"), process.number("pid"), process.number("start")};
  const pugi::xml_node progress_node = root.child("progress");
  const Fields fields(progress_node, failure);
  Progress progress;
  progress.accounts_done = fields.number("accounts-done");
  progress.accounts_total = fields.number("accounts-total");
  progress.messages_done = fields.number("messages-done");
  progress.bytes_done = fields.number("bytes-done");
  progress.bytes_new = fields.number("bytes-new");
  progress.account_id = fields.text("account");
  progress.began = record.info.began;
  progress.now = record.info.ended;
  record.info.progress = progress;
  for (const pugi::xml_node& list : root.children("known-list"))
    record.known_lists.push_back(Fields(list, failure).id("id"));
}

}  // namespace

Bytes encode_session(const SessionRecord& record) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("session");
  put_public(root, record.info);
  put_number(root, "contents", record.contents);
  put_word(root, "contents-sha256", record.contents_digest.to_string());
  if (record.process) put_running(root, record);
  if (record.server_data) put_snapshot(root.append_child("server-data"), *record.server_data);
  for (const SessionAccount& account : record.info.accounts) {
    const auto place = record.snapshots.find(account.id);
    put_account(root, account, place == record.snapshots.end() ? nullptr : &place->second);
  }
  return seal_xml(document);
}

Result<SessionRecord> decode_session(ByteView file, std::string_view where) {
  pugi::xml_document document;
  if (Status s = open_xml(file, where, document); !s.ok()) return s;
  const pugi::xml_node root = document.child("session");
  if (Status s = check_version(root, "session", where); !s.ok()) return s;
  Status failure;
  SessionRecord record;
  record.info = get_public(root, failure);
  record.contents = Fields(root, failure).number("contents");
  record.contents_digest = Fields(root, failure).digest("contents-sha256");
  if (root.child("process")) get_running(root, record, failure);
  if (const pugi::xml_node node = root.child("server-data"))
    record.server_data = get_snapshot(node.child("snapshot"), failure);
  for (const pugi::xml_node& node : root.children("account")) {
    record.info.accounts.push_back(get_account(node, failure));
    if (record.info.accounts.back().full)
      record.snapshots[record.info.accounts.back().id] = get_snapshot(node.child("snapshot"), failure);
  }
  if (!failure.ok()) return failure.with_context(where);
  return record;
}

Bytes encode_accounts(const std::vector<TargetAccount>& accounts) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("accounts");
  put_number(root, "format", kSessionFileVersion);
  for (const TargetAccount& account : accounts) {
    pugi::xml_node node = root.append_child("account");
    put_word(node, "full-label", account.full_label);
    put_number(node, "consistent-at", account.consistent_at);
    put_text(node, "id", account.id);
    put_text(node, "address", account.address);
  }
  return seal_xml(document);
}

Result<std::vector<TargetAccount>> decode_accounts(ByteView file, std::string_view where) {
  pugi::xml_document document;
  if (Status s = open_xml(file, where, document); !s.ok()) return s;
  const pugi::xml_node root = document.child("accounts");
  if (Status s = check_version(root, "accounts", where); !s.ok()) return s;
  Status failure;
  std::vector<TargetAccount> accounts;
  for (const pugi::xml_node& node : root.children("account")) {
    const Fields fields(node, failure);
    accounts.push_back({fields.text("id"), fields.text("address"), node.attribute("full-label").value(),
                        fields.number("consistent-at")});
  }
  if (!failure.ok()) return failure.with_context(where);
  return accounts;
}

}  // namespace target
}  // namespace restante
