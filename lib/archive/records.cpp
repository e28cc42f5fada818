#include "archive/records.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

#include "base/text.hpp"

namespace restante::archive {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "restante archive";

constexpr std::array<std::pair<const char*, std::uint32_t>, 5> kFlagNames = {{
    {"\\Seen", kFlagSeen},
    {"\\Answered", kFlagAnswered},
    {"\\Flagged", kFlagFlagged},
    {"\\Deleted", kFlagDeleted},
    {"\\Draft", kFlagDraft},
}};

// --- Values ----------------------------------------------------------------------------------------------

// A string where the bytes are UTF-8, else {"hex": "…"}.
Json json_text(std::string_view text) {
  if (is_utf8(text)) return std::string(text);
  return Json{{"hex", to_hex(as_bytes(text))}};
}

bool read_text(const Json& json, std::string& out) {
  if (json.is_string()) {
    out = json.get<std::string>();
    return true;
  }
  const auto hex = json.is_object() ? json.find("hex") : json.end();
  if (!json.is_object() || hex == json.end() || !hex->is_string()) return false;
  const Result<Bytes> bytes = from_hex(hex->get_ref<const std::string&>());
  if (bytes.ok()) out = std::string(as_text(*bytes));
  return bytes.ok();
}

template <class Integer>
bool read_integer(const Json& json, Integer& out) {
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    out = static_cast<Integer>(value);
    return std::in_range<Integer>(value);
  }
  if (!json.is_number_integer()) return false;
  const auto value = json.get<std::int64_t>();
  out = static_cast<Integer>(value);
  return std::in_range<Integer>(value);
}

Json json_flags(std::uint32_t flags) {
  Json list = Json::array();
  for (const auto& [name, bit] : kFlagNames)
    if ((flags & bit) != 0) list.push_back(name);
  return list;
}

bool read_flags(const Json& json, std::uint32_t& out) {
  if (!json.is_array()) return false;
  for (const Json& word : json) {
    std::uint32_t bit = 0;
    for (const auto& [name, flag] : kFlagNames)
      if (word.is_string() && word.get_ref<const std::string&>() == name) bit = flag;
    if (bit == 0) return false;
    out |= bit;
  }
  return true;
}

Json json_fields(FieldSet fields) {
  Json list = Json::array();
  for (std::uint32_t bit = 1; bit <= FieldSet::all().bits(); bit <<= 1)
    if ((fields.bits() & bit) != 0) list.push_back(FieldSet::from_bits(bit).to_string());
  return list;
}

// Names of a later version are passed over: fields that this one does not compare.
bool read_fields(const Json& json, FieldSet& out) {
  if (!json.is_array()) return false;
  std::uint32_t bits = 0;
  for (const Json& word : json) {
    if (!word.is_string()) return false;
    for (std::uint32_t bit = 1; bit <= FieldSet::all().bits(); bit <<= 1)
      if (FieldSet::from_bits(bit).to_string() == word.get_ref<const std::string&>()) bits |= bit;
  }
  out = FieldSet::from_bits(bits);
  return true;
}

// --- Records ---------------------------------------------------------------------------------------------
// Writer and reader have the same members, so that one function tells what a line consists of.

class Writer {
 public:
  static constexpr bool kReads = false;
  explicit Writer(Json& json) : json_(json) {}

  void text(const char* name, const std::string& value) {
    if (!value.empty()) json_[name] = json_text(value);
  }
  template <class Integer>
  void number(const char* name, Integer value) {
    if (value != 0) json_[name] = value;
  }
  template <class Integer>
  void number(const char* name, const std::optional<Integer>& value) {
    if (value) json_[name] = *value;
  }
  void time(const char* name, const std::optional<Time>& value) {
    if (value) json_[name] = value->us;
  }
  void flags(const char* name, std::uint32_t value) {
    if (value != 0) json_[name] = json_flags(value);
  }
  void texts(const char* name, const std::vector<std::string>& values) {
    for (const std::string& value : values) json_[name].push_back(json_text(value));
  }
  void id(const char* name, const Id128& value) {
    if (!value.is_none()) json_[name] = value.to_string();
  }
  void content(const std::optional<ContentRef>& value) {
    if (!value) return;
    json_["size"] = value->size;
    json_["sha256"] = value->digest.to_string();
  }
  void attributes(const Attributes& values) {
    for (const auto& [name, value] : values)
      json_["attributes"].push_back(Json{{"name", json_text(name)}, {"value", json_text(value)}});
  }
  void viewers(const std::map<std::string, std::uint32_t>& values) {
    for (const auto& [account, flags] : values)
      json_["viewers"].push_back(Json{{"account", json_text(account)}, {"flags", json_flags(flags)}});
  }
  void mountpoint(const std::optional<Mountpoint>& value) {
    if (value)
      json_["mountpoint"] =
          Json{{"owner", json_text(value->owner_account)}, {"remote_id", json_text(value->remote_id)}};
  }
  void unknown(const UnknownFields& values) {
    for (const UnknownField& field : values)
      json_["unknown"].push_back(
          Json{{"tag", field.tag}, {"required", field.required}, {"hex", to_hex(as_bytes(field.bytes))}});
  }
  void truth(const char* name, bool value) {
    if (value) json_[name] = true;
  }
  // Bytes that nobody reads as text.
  void hex(const char* name, const std::string& value) { json_[name] = to_hex(as_bytes(value)); }

 private:
  Json& json_;
};

class Reader {
 public:
  static constexpr bool kReads = true;
  explicit Reader(const Json& json) : json_(json) {}

  [[nodiscard]] const std::string& error() const { return error_; }

  void text(const char* name, std::string& out) {
    if (const Json* json = find(name)) check(name, read_text(*json, out));
  }
  template <class Integer>
  void number(const char* name, Integer& out) {
    if (const Json* json = find(name)) check(name, read_integer(*json, out));
  }
  template <class Integer>
  void number(const char* name, std::optional<Integer>& out) {
    if (const Json* json = find(name)) check(name, read_integer(*json, out.emplace()));
  }
  void time(const char* name, std::optional<Time>& out) {
    if (const Json* json = find(name)) check(name, read_integer(*json, out.emplace().us));
  }
  void flags(const char* name, std::uint32_t& out) {
    if (const Json* json = find(name)) check(name, read_flags(*json, out));
  }
  void texts(const char* name, std::vector<std::string>& out) {
    each(name, [&](const Json& json) { return read_text(json, out.emplace_back()); });
  }
  void id(const char* name, Id128& out) {
    std::string digits;
    text(name, digits);
    if (digits.empty()) return;
    const Result<Id128> id = Id128::parse(digits);
    check(name, id.ok());
    if (id.ok()) out = *id;
  }
  void content(std::optional<ContentRef>& out) {
    std::string digits;
    text("sha256", digits);
    if (digits.empty()) return;
    const Result<Digest> digest = Digest::parse(digits);
    check("sha256", digest.ok());
    if (!digest.ok()) return;
    out.emplace().digest = *digest;
    number("size", out->size);
  }
  void attributes(Attributes& out) {
    each("attributes", [&](const Json& json) {
      std::string name;
      std::string value;
      const bool fine = text_in(json, "name", name) && text_in(json, "value", value);
      return fine && out.emplace(std::move(name), std::move(value)).second;
    });
  }
  void viewers(std::map<std::string, std::uint32_t>& out) {
    each("viewers", [&](const Json& json) {
      std::string account;
      if (!text_in(json, "account", account) || !json.contains("flags")) return false;
      return read_flags(json["flags"], out[std::move(account)]);
    });
  }
  void mountpoint(std::optional<Mountpoint>& out) {
    const Json* json = find("mountpoint");
    if (!json) return;
    Mountpoint& value = out.emplace();
    check("mountpoint",
          text_in(*json, "owner", value.owner_account) && text_in(*json, "remote_id", value.remote_id));
  }
  void unknown(UnknownFields& out) {
    each("unknown", [&](const Json& json) {
      UnknownField& field = out.emplace_back();
      if (!json.is_object() || !json.contains("tag") || !json.contains("required")) return false;
      const Json& required = json["required"];
      field.required = required.is_boolean() && required.get<bool>();
      return required.is_boolean() && read_integer(json["tag"], field.tag) && read_text(json, field.bytes);
    });
  }
  void truth(const char* name, bool& out) {
    const Json* json = find(name);
    if (!json) return;
    check(name, json->is_boolean());
    out = json->is_boolean() && json->get<bool>();
  }
  void hex(const char* name, std::string& out) {
    const Json* json = find(name);
    const Result<Bytes> bytes = json && json->is_string() ? from_hex(json->get_ref<const std::string&>())
                                                          : Status(Code::damaged, "no digits");
    check(name, bytes.ok());
    if (bytes.ok()) out = std::string(as_text(*bytes));
  }

 private:
  [[nodiscard]] const Json* find(const char* name) const {
    const auto field = json_.find(name);
    return field == json_.end() ? nullptr : &*field;
  }
  [[nodiscard]] static bool text_in(const Json& json, const char* name, std::string& out) {
    const auto field = json.is_object() ? json.find(name) : json.end();
    return json.is_object() && field != json.end() && read_text(*field, out);
  }
  template <class Function>
  void each(const char* name, Function function) {
    const Json* list = find(name);
    if (!list) return;
    check(name, list->is_array());
    if (!list->is_array()) return;
    for (const Json& json : *list) check(name, function(json));
  }
  void check(const char* name, bool fine) {
    if (!fine && error_.empty()) error_ = base::cat("\"", name, "\" has no value of its kind");
  }

  const Json& json_;
  std::string error_;
};

template <class Fields, class Record>
using InDirection = std::conditional_t<Fields::kReads, Record, const Record>;

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Account>& account) {
  fields.text("id", account.id);
  fields.text("address", account.address);
  fields.text("name", account.name);
  fields.attributes(account.attributes);
  fields.unknown(account.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Folder>& folder) {
  fields.text("id", folder.id);
  fields.text("parent", folder.parent_id);
  fields.text("name", folder.name);
  fields.number("uidvalidity", folder.uidvalidity);
  fields.number("uidnext", folder.uidnext);
  fields.number("highest_modseq", folder.highest_modseq);
  fields.text("special_use", folder.special_use);
  fields.text("role", folder.role);
  fields.mountpoint(folder.mountpoint);
  fields.attributes(folder.attributes);
  fields.unknown(folder.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Message>& message) {
  fields.text("id", message.id);
  fields.text("folder", message.folder_id);
  fields.number("uidvalidity", message.uidvalidity);
  fields.number("uid", message.uid);
  fields.text("email_id", message.email_id);
  fields.text("thread_id", message.thread_id);
  fields.content(message.content);
  fields.time("internal_date_us", message.internal_date);
  fields.time("save_date_us", message.save_date);
  fields.number("modseq", message.modseq);
  fields.flags("flags", message.flags);
  fields.texts("keywords", message.keywords);
  fields.texts("tags", message.tags);
  fields.viewers(message.viewer_flags);
  fields.attributes(message.attributes);
  fields.unknown(message.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Item>& item) {
  fields.text("type", item.kind);
  fields.text("id", item.id);
  fields.text("folder", item.folder_id);
  fields.text("parent", item.parent);
  fields.number("uid", item.uid);
  fields.number("modseq", item.modseq);
  fields.number("revision", item.revision);
  fields.number("flags", item.flags);
  fields.texts("tags", item.tags);
  fields.content(item.content);
  fields.attributes(item.attributes);
  fields.unknown(item.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, HostOp>& operation) {
  fields.text("host", operation.host);
  fields.text("name", operation.name);
  fields.text("item_type", operation.item_kind);
  fields.text("item_id", operation.item_id);
  fields.hex("data", operation.data);
  fields.unknown(operation.unknown);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, UnknownOperation>& operation) {
  fields.number("number", operation.kind);
  fields.truth("required", operation.required);
  fields.hex("data", operation.bytes);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, Place>& place) {
  fields.text("entry", place.entry);
  fields.number("offset", place.offset);
  fields.number("length", place.length);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, MailboxHead>& head) {
  fields.id("log", head.position.log);
  fields.id("incarnation", head.position.incarnation);
  fields.number("lsn", head.position.lsn);
  fields.time("time_us", head.effective_time);
}

template <class Fields>
void fields_of(Fields& fields, InDirection<Fields, MailboxEnd>& end) {
  fields.number("folders", end.folders);
  fields.number("messages", end.messages);
  fields.number("items", end.items);
}

std::string line_of(const Json& json) { return json.dump() + "\n"; }

Status damaged(std::string_view what) { return Status(Code::damaged, std::string(what)); }

template <class Record>
Status read_into(const Json& json, Record& record) {
  Reader reader(json);
  fields_of(reader, record);
  return reader.error().empty() ? Status() : damaged(reader.error());
}

Result<Line> read_head(const Json& json) {
  Line line;
  line.kind = Line::Kind::head;
  if (Status s = read_into(json, line.head); !s.ok()) return s;
  if (!json.contains("fields") || !read_fields(json["fields"], line.head.fields))
    return damaged("\"fields\" has no value of its kind");
  return line;
}

Result<Line> read_end(const Json& json) {
  Line line;
  line.kind = Line::Kind::end;
  if (Status s = read_into(json, line.end); !s.ok()) return s;
  const auto digest = json.find("digest");
  if (digest == json.end() || !digest->is_object()) return damaged("\"digest\" is missing");
  for (std::size_t i = 0; i < kDigestClasses; ++i) {
    const auto sum = digest->find(std::string(name_of(static_cast<DigestClass>(i))));
    const bool is_text = sum != digest->end() && sum->is_string();
    const Result<Digest> parsed =
        is_text ? Digest::parse(sum->get_ref<const std::string&>()) : damaged("no digits");
    if (!parsed.ok()) return damaged("\"digest\" has no value of its kind");
    line.end.digest.classes[i].bytes = parsed->bytes;
  }
  return line;
}

template <class Record, class Put>
Result<Line> read_element(const Json& json, Put put) {
  Line line;
  Record record;
  if (Status s = read_into(json, record); !s.ok()) return s;
  if (Status s = read_into(json, line.place); !s.ok()) return s;
  line.element = put(std::move(record));
  if (Status s = validate(line.element); !s.ok()) return damaged(s.message());
  return line;
}

}  // namespace

std::string encode_description(const Description& description) {
  Json json{
      {"format", kFormat},
      {"version", kArchiveVersion},
      {"required_features", Json::array()},
      {"layout", description.layout == ArchiveLayout::maildir ? "maildir" : "mbox"},
      {"mailboxes", Json::array()},
  };
  for (const Description::Mailbox& mailbox : description.mailboxes)
    json["mailboxes"].push_back(Json{{"id", json_text(mailbox.id)},
                                     {"address", json_text(mailbox.address)},
                                     {"directory", mailbox.directory}});
  return json.dump(2) + "\n";
}

Result<Description> decode_description(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object() || json.value("format", Json()) != kFormat)
    return damaged("not the description of a restante archive");
  unsigned version = 0;
  if (!json.contains("version") || !read_integer(json["version"], version))
    return damaged("no format version");
  const Json features = json.value("required_features", Json());
  if (!features.is_array()) return damaged("no list of required features");
  if (version != kArchiveVersion || !features.empty())
    return Status(Code::unsupported,
                  base::cat("the archive has format version ", version,
                            features.empty() ? "" : " with features that are not known"),
                  base::cat("this program reads version ", kArchiveVersion));
  Description description;
  const Json layout = json.value("layout", Json());
  if (layout != "maildir" && layout != "mbox") return damaged("\"layout\" is neither maildir nor mbox");
  description.layout = layout == "mbox" ? ArchiveLayout::mbox : ArchiveLayout::maildir;
  const Json mailboxes = json.value("mailboxes", Json());
  if (!mailboxes.is_array()) return damaged("no list of mailboxes");
  for (const Json& entry : mailboxes) {
    if (!entry.is_object()) return damaged("a mailbox has no value of its kind");
    Description::Mailbox& mailbox = description.mailboxes.emplace_back();
    Reader reader(entry);
    reader.text("id", mailbox.id);
    reader.text("address", mailbox.address);
    reader.text("directory", mailbox.directory);
    if (!reader.error().empty()) return damaged(reader.error());
    if (mailbox.id.empty() || mailbox.directory.empty()) return damaged("a mailbox without id or directory");
  }
  return description;
}

std::string encode_head(const MailboxHead& head) {
  Json json{{"kind", "mailbox"}};
  Writer writer(json);
  fields_of(writer, head);
  json["fields"] = json_fields(head.fields);
  return line_of(json);
}

std::string encode_element(const Operation& element, const Place& place) {
  Json json;
  Writer writer(json);
  const auto write = [&](const char* kind, const auto& record) {
    json["kind"] = kind;
    fields_of(writer, record);
  };
  if (const auto* account = std::get_if<AccountPut>(&element)) {
    write("account", account->account);
  } else if (const auto* folder = std::get_if<FolderPut>(&element)) {
    write("folder", folder->folder);
  } else if (const auto* message = std::get_if<MessagePut>(&element)) {
    write("message", message->messages.front());
  } else if (const auto* item = std::get_if<ItemPut>(&element)) {
    write("item", item->item);
  } else if (const auto* host = std::get_if<HostOp>(&element)) {
    write("host_operation", *host);
  } else {
    write("unknown_operation", std::get<UnknownOperation>(element));
  }
  fields_of(writer, place);
  return line_of(json);
}

std::string encode_end(const MailboxEnd& end) {
  Json json{{"kind", "end"}};
  Writer writer(json);
  fields_of(writer, end);
  for (std::size_t i = 0; i < kDigestClasses; ++i)
    json["digest"][std::string(name_of(static_cast<DigestClass>(i)))] = end.digest.classes[i].to_string();
  return line_of(json);
}

Result<Line> decode_line(std::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return damaged("not a JSON object");
  const Json kind = json.value("kind", Json());
  if (kind == "mailbox") return read_head(json);
  if (kind == "end") return read_end(json);
  if (kind == "account")
    return read_element<Account>(json, [](Account a) { return AccountPut{std::move(a)}; });
  if (kind == "folder") return read_element<Folder>(json, [](Folder f) { return FolderPut{std::move(f)}; });
  if (kind == "message")
    return read_element<Message>(json, [](Message m) { return MessagePut{{std::move(m)}, {}}; });
  if (kind == "item") return read_element<Item>(json, [](Item i) { return ItemPut{std::move(i)}; });
  if (kind == "host_operation") return read_element<HostOp>(json, [](HostOp o) { return o; });
  if (kind == "unknown_operation")
    return read_element<UnknownOperation>(json, [](UnknownOperation o) { return o; });
  if (!kind.is_string()) return damaged("\"kind\" is missing");
  return Status(Code::unsupported,
                base::cat("lines of kind ", base::escape(kind.get<std::string>()), " are not known"));
}

}  // namespace restante::archive
