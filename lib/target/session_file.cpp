#include "target/session_file.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "crypto/crypto.hpp"

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

// The texts of a document that is being read, and the first thing in it that is not what it must be.
struct Reading {
  TextReader texts;
  Status failure{};
};

// Reads attributes and texts of one element.
class Fields {
 public:
  Fields(const pugi::xml_node& node, Reading& reading) : node_(node), reading_(reading) {}

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
    Result<std::string> value = reading_.texts.get(node_, name);
    if (value.ok()) return *std::move(value);
    if (reading_.failure.ok()) reading_.failure = value.status();
    return {};
  }

 private:
  [[nodiscard]] std::string_view word(const char* name) const { return node_.attribute(name).value(); }
  void fail(const char* name) const {
    if (!reading_.failure.ok()) return;
    reading_.failure = Status(Code::damaged, base::cat("<", node_.name(), "> has no valid ", name));
  }

  pugi::xml_node node_;
  Reading& reading_;
};

void put_snapshot(pugi::xml_node parent, const SnapshotPlace& place) {
  pugi::xml_node node = parent.append_child("snapshot");
  put_number(node, "operations", place.operations);
  put_word(node, "sha256", place.digest.to_string());
  for (const ObjectPart& part : place.parts) {
    pugi::xml_node child = node.append_child("part");
    put_word(child, "object", part.object);
    put_number(child, "offset", part.offset);
    put_number(child, "length", part.length);
  }
}

SnapshotPlace get_snapshot(const pugi::xml_node& node, Reading& reading) {
  SnapshotPlace place;
  place.operations = Fields(node, reading).number("operations");
  place.digest = Fields(node, reading).digest("sha256");
  for (const pugi::xml_node& child : node.children("part")) {
    const Fields fields(child, reading);
    const std::string object = child.attribute("object").value();
    if (Status s = check_key(object); !s.ok() && reading.failure.ok()) reading.failure = s;
    place.parts.push_back({object, fields.number("offset"), fields.number("length")});
  }
  return place;
}

void put_account(pugi::xml_node root, const SessionAccount& account, const SnapshotPlace* snapshot,
                 const XmlPlace& place, TextWriter& texts) {
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
  if (place.sealer.encrypts()) put_word(node, "ref", closed_name(place.sealer, account.id));
  texts.put(node, "id", account.id);
  texts.put(node, "address", account.address);
  if (!account.error.empty()) texts.put(node, "error", account.error);
  if (!account.full) return;
  pugi::xml_node digest = node.append_child("digest");
  for (DigestClass c : kClasses)
    put_word(digest, std::string(name_of(c)).c_str(), account.digest.of(c).to_string());
  put_snapshot(node, *snapshot);
}

SessionAccount get_account(const pugi::xml_node& node, const crypto::ObjectSealer& sealer, Reading& reading) {
  const Fields fields(node, reading);
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
  if (sealer.encrypts()) {
    const std::string_view ref = node.attribute("ref").value();
    if (reading.texts.is_closed())
      account.id = account.address = ref;
    else if (ref != closed_name(sealer, account.id) && reading.failure.ok())
      reading.failure = Status(Code::damaged, "the ref of an account is not that of its id");
  }
  if (!account.full) return account;
  const pugi::xml_node digest_node = node.child("digest");
  const Fields digests(digest_node, reading);
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

void put_public(pugi::xml_node root, const SessionInfo& info, TextWriter& texts) {
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
  texts.put(root, "server-name", info.server_name);
  if (!info.error.empty()) texts.put(root, "error", info.error);
}

SessionInfo get_public(const pugi::xml_node& root, Reading& reading) {
  const Fields fields(root, reading);
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

void put_running(pugi::xml_node root, const SessionRecord& record, TextWriter& texts) {
  const SessionInfo& info = record.info;
  const os::ProcessIdentity& process = *record.process;
  texts.put(root, "owner", info.owner);
  pugi::xml_node node = root.append_child("process");
  texts.put(node, "host", process.host);
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
  texts.put(node, "account", progress.account_id);
  for (const Id128& list : record.known_lists)
    put_word(root.append_child("known-list"), "id", list.to_string());
}

void get_running(const pugi::xml_node& root, SessionRecord& record, Reading& reading) {
  record.info.owner = Fields(root, reading).text("owner");
  const pugi::xml_node process_node = root.child("process");
  const Fields process(process_node, reading);
  record.process =
      os::ProcessIdentity{process.text("host"), process_node.attribute("boot").value(),
                          process.number("pid-namespace"), process.number("pid"), process.number("start")};
  const pugi::xml_node progress_node = root.child("progress");
  const Fields fields(progress_node, reading);
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
    record.known_lists.push_back(Fields(list, reading).id("id"));
}

}  // namespace

std::string closed_name(const crypto::ObjectSealer& sealer, std::string_view account_id) {
  const Digest named = crypto::sha256(as_bytes(base::cat("restante account 1", account_id)));
  return "sealed:" + sealer.content_id(named).to_string().substr(0, 32);
}

Result<Bytes> encode_session(const SessionRecord& record, const XmlPlace& place) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("session");
  TextWriter texts(place, root);
  put_public(root, record.info, texts);
  put_number(root, "contents", record.contents);
  put_word(root, "contents-sha256", record.contents_digest.to_string());
  if (record.process) put_running(root, record, texts);
  if (record.server_data) put_snapshot(root.append_child("server-data"), *record.server_data);
  for (const SessionAccount& account : record.info.accounts) {
    const auto snapshot = record.snapshots.find(account.id);
    put_account(root, account, snapshot == record.snapshots.end() ? nullptr : &snapshot->second, place,
                texts);
  }
  if (Status s = texts.end(); !s.ok()) return s;
  return seal_xml(document);
}

Result<SessionRecord> decode_session(ByteView file, std::string_view where, const XmlPlace& place) {
  pugi::xml_document document;
  if (Status s = open_xml(file, where, document); !s.ok()) return s;
  const pugi::xml_node root = document.child("session");
  if (Status s = check_version(root, "session", where); !s.ok()) return s;
  Result<TextReader> texts = TextReader::open(place, root);
  if (!texts.ok()) return texts.status();
  Reading reading{*std::move(texts)};
  SessionRecord record;
  record.info = get_public(root, reading);
  record.contents = Fields(root, reading).number("contents");
  record.contents_digest = Fields(root, reading).digest("contents-sha256");
  if (root.child("process")) get_running(root, record, reading);
  if (const pugi::xml_node node = root.child("server-data"))
    record.server_data = get_snapshot(node.child("snapshot"), reading);
  for (const pugi::xml_node& node : root.children("account")) {
    record.info.accounts.push_back(get_account(node, place.sealer, reading));
    if (record.info.accounts.back().full)
      record.snapshots[record.info.accounts.back().id] = get_snapshot(node.child("snapshot"), reading);
  }
  if (!reading.failure.ok()) return reading.failure.with_context(where);
  return record;
}

Result<Bytes> encode_accounts(const std::vector<TargetAccount>& accounts, const XmlPlace& place) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("accounts");
  put_number(root, "format", kSessionFileVersion);
  TextWriter texts(place, root);
  for (const TargetAccount& account : accounts) {
    pugi::xml_node node = root.append_child("account");
    put_word(node, "full-label", account.full_label);
    put_number(node, "consistent-at", account.consistent_at);
    texts.put(node, "id", account.id);
    texts.put(node, "address", account.address);
  }
  if (Status s = texts.end(); !s.ok()) return s;
  return seal_xml(document);
}

Result<std::vector<TargetAccount>> decode_accounts(ByteView file, std::string_view where,
                                                   const XmlPlace& place) {
  pugi::xml_document document;
  if (Status s = open_xml(file, where, document); !s.ok()) return s;
  const pugi::xml_node root = document.child("accounts");
  if (Status s = check_version(root, "accounts", where); !s.ok()) return s;
  Result<TextReader> texts = TextReader::open(place, root);
  if (!texts.ok()) return texts.status();
  Reading reading{*std::move(texts)};
  std::vector<TargetAccount> accounts;
  for (const pugi::xml_node& node : root.children("account")) {
    const Fields fields(node, reading);
    accounts.push_back({fields.text("id"), fields.text("address"), node.attribute("full-label").value(),
                        fields.number("consistent-at")});
  }
  if (!reading.failure.ok()) return reading.failure.with_context(where);
  return accounts;
}

}  // namespace target
}  // namespace restante
