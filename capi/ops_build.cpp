// Operations from C structures.

#include "ops.hpp"

namespace restante::capi {
namespace {

/// Copies members of a C structure and remembers the first that is wrong.
class Reader {
 public:
  /// What the first failure says before its message.
  explicit Reader(const char* type) noexcept : type_(type) {}

  template <class T>
  void structure(const T* given, T& out) {
    keep(require(given, type_));
    if (first_.ok()) keep(read_struct(given, type_, out));
  }

  void text(const restante_view& view, const char* name, std::string& out) {
    keep(in_type(read_view(view, name, out)));
  }

  void texts(const restante_view* views, std::size_t count, const char* name, std::vector<std::string>& out) {
    if (!array(views, count, name)) return;
    out.resize(count);
    for (std::size_t i = 0; i < count; ++i) text(views[i], name, out[i]);
  }

  /// The model keeps such lists sorted and without duplicates.
  void text_set(const restante_view* views, std::size_t count, const char* name,
                std::vector<std::string>& out) {
    texts(views, count, name, out);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
  }

  void attributes(const restante_attribute* given, std::size_t count, Attributes& out) {
    if (!array(given, count, "attributes")) return;
    for (std::size_t i = 0; i < count; ++i) {
      std::string name;
      std::string value;
      text(given[i].name, "attributes", name);
      text(given[i].value, "attributes", value);
      if (!out.emplace(std::move(name), std::move(value)).second) wrong("attributes has a name twice");
    }
  }

  void viewers(const restante_viewer_flags* given, std::size_t count,
               std::map<std::string, std::uint32_t>& out) {
    if (!array(given, count, "viewer_flags")) return;
    for (std::size_t i = 0; i < count; ++i) {
      std::string account;
      text(given[i].account_id, "viewer_flags", account);
      zero(given[i].reserved, "viewer_flags.reserved");
      if (!out.emplace(std::move(account), given[i].flags).second) wrong("viewer_flags has an account twice");
    }
  }

  void message_set(const restante_message_set* given, MessageSet& out) {
    keep(in_type(require(given, "messages")));
    restante_message_set set;
    if (first_.ok()) keep(read_struct(given, "restante_message_set", set));
    if (!first_.ok()) return;
    zero(set.reserved, "messages.reserved");
    if (array(set.uids, set.uid_count, "messages.uids")) out.uids.assign(set.uids, set.uids + set.uid_count);
    texts(set.message_ids, set.message_id_count, "messages.message_ids", out.message_ids);
  }

  /// Bits of `present` that mean nothing here are a mistake, or of a newer version.
  void only(std::uint32_t present, std::uint32_t known) {
    if ((present & ~known) != 0) wrong("present has a bit that is not defined for it");
  }
  void zero(std::uint32_t reserved, const char* name) {
    if (reserved != 0) wrong(std::string(name) + " is not 0");
  }
  void wrong(std::string what) { keep(invalid(std::string(type_) + ": " + std::move(what))); }

  [[nodiscard]] bool ok() const noexcept { return first_.ok(); }
  [[nodiscard]] Status status() const { return first_; }

 private:
  bool array(const void* first, std::size_t count, const char* name) {
    keep(in_type(check_array(first, count, name)));
    return first_.ok() && count > 0;
  }
  [[nodiscard]] Status in_type(Status status) const { return status.with_context(type_); }
  void keep(Status status) {
    if (first_.ok() && !status.ok()) first_ = std::move(status);
  }

  const char* type_;
  Status first_;
};

template <class T>
std::optional<T> optional_of(std::uint32_t present, std::uint32_t bit, T value) {
  return (present & bit) != 0 ? std::optional<T>(value) : std::nullopt;
}

std::optional<Time> time_of(std::uint32_t present, std::uint32_t bit, std::int64_t us) {
  return optional_of(present, bit, Time{us});
}

Status folder_from_c(const restante_folder* given, Folder& out) {
  Reader in("restante_folder");
  restante_folder folder;
  in.structure(given, folder);
  if (!in.ok()) return in.status();
  in.only(folder.present, RESTANTE_HAS_UIDNEXT | RESTANTE_HAS_HIGHEST_MODSEQ | RESTANTE_HAS_MOUNTPOINT);
  in.text(folder.id, "id", out.id);
  in.text(folder.parent_id, "parent_id", out.parent_id);
  in.text(folder.name, "name", out.name);
  out.uidvalidity = folder.uidvalidity;
  out.uidnext = optional_of(folder.present, RESTANTE_HAS_UIDNEXT, folder.uidnext);
  out.highest_modseq = optional_of(folder.present, RESTANTE_HAS_HIGHEST_MODSEQ, folder.highest_modseq);
  in.text(folder.special_use, "special_use", out.special_use);
  in.text(folder.role, "role", out.role);
  if ((folder.present & RESTANTE_HAS_MOUNTPOINT) != 0) {
    out.mountpoint.emplace();
    in.text(folder.mountpoint_owner, "mountpoint_owner", out.mountpoint->owner_account);
    in.text(folder.mountpoint_remote_id, "mountpoint_remote_id", out.mountpoint->remote_id);
  }
  in.attributes(folder.attributes, folder.attribute_count, out.attributes);
  return in.status();
}

Status message_from_c(const restante_message* first, std::size_t index, Message& out) {
  Reader in("restante_message");
  restante_message message;
  if (Status wrong = read_element(first, index, "restante_message", message); !wrong.ok()) return wrong;
  in.only(message.present,
          RESTANTE_HAS_CONTENT | RESTANTE_HAS_INTERNAL_DATE | RESTANTE_HAS_SAVE_DATE | RESTANTE_HAS_MODSEQ);
  in.zero(message.reserved, "reserved");
  in.text(message.id, "id", out.id);
  in.text(message.folder_id, "folder_id", out.folder_id);
  out.uidvalidity = message.uidvalidity;
  out.uid = message.uid;
  in.text(message.email_id, "email_id", out.email_id);
  in.text(message.thread_id, "thread_id", out.thread_id);
  out.content = optional_of(message.present, RESTANTE_HAS_CONTENT, content_from_c(message.content));
  out.internal_date = time_of(message.present, RESTANTE_HAS_INTERNAL_DATE, message.internal_date);
  out.save_date = time_of(message.present, RESTANTE_HAS_SAVE_DATE, message.save_date);
  out.modseq = optional_of(message.present, RESTANTE_HAS_MODSEQ, message.modseq);
  out.flags = message.flags;
  in.text_set(message.keywords, message.keyword_count, "keywords", out.keywords);
  in.text_set(message.tags, message.tag_count, "tags", out.tags);
  in.viewers(message.viewer_flags, message.viewer_flag_count, out.viewer_flags);
  in.attributes(message.attributes, message.attribute_count, out.attributes);
  return in.status();
}

Status item_from_c(const restante_item* given, Item& out) {
  Reader in("restante_item");
  restante_item item;
  in.structure(given, item);
  if (!in.ok()) return in.status();
  in.only(item.present, RESTANTE_HAS_CONTENT | RESTANTE_HAS_MODSEQ | RESTANTE_HAS_REVISION);
  in.text(item.kind, "kind", out.kind);
  in.text(item.id, "id", out.id);
  in.text(item.folder_id, "folder_id", out.folder_id);
  in.text(item.parent, "parent", out.parent);
  out.uid = item.uid;
  out.flags = item.flags;
  out.modseq = optional_of(item.present, RESTANTE_HAS_MODSEQ, item.modseq);
  out.revision = optional_of(item.present, RESTANTE_HAS_REVISION, item.revision);
  out.content = optional_of(item.present, RESTANTE_HAS_CONTENT, content_from_c(item.content));
  in.text_set(item.tags, item.tag_count, "tags", out.tags);
  in.attributes(item.attributes, item.attribute_count, out.attributes);
  return in.status();
}

Status expunge_from_c(const restante_expunge* given, MessageExpunge& out) {
  Reader in("restante_expunge");
  restante_expunge expunge;
  in.structure(given, expunge);
  if (!in.ok()) return in.status();
  in.only(expunge.present, RESTANTE_HAS_MODSEQ);
  in.zero(expunge.reserved, "reserved");
  in.text(expunge.folder_id, "folder_id", out.folder_id);
  out.uidvalidity = expunge.uidvalidity;
  out.modseq = optional_of(expunge.present, RESTANTE_HAS_MODSEQ, expunge.modseq);
  in.message_set(expunge.messages, out.messages);
  return in.status();
}

Status flags_from_c(const restante_flags_change* given, FlagsUpdate& out) {
  Reader in("restante_flags_change");
  restante_flags_change change;
  in.structure(given, change);
  if (!in.ok()) return in.status();
  in.only(change.present, RESTANTE_HAS_MODSEQ);
  in.zero(change.reserved, "reserved");
  in.text(change.folder_id, "folder_id", out.folder_id);
  in.message_set(change.messages, out.messages);
  out.uidvalidity = change.uidvalidity;
  switch (change.mode) {
    case RESTANTE_FLAGS_REPLACE: out.mode = FlagsUpdate::Mode::replace; break;
    case RESTANTE_FLAGS_ADD: out.mode = FlagsUpdate::Mode::add; break;
    case RESTANTE_FLAGS_REMOVE: out.mode = FlagsUpdate::Mode::remove; break;
    default: in.wrong("mode is none of RESTANTE_FLAGS_REPLACE, _ADD and _REMOVE");
  }
  out.modseq = optional_of(change.present, RESTANTE_HAS_MODSEQ, change.modseq);
  out.flags = change.flags;
  in.text_set(change.keywords, change.keyword_count, "keywords", out.keywords);
  in.text_set(change.tags, change.tag_count, "tags", out.tags);
  in.text(change.viewer_account, "viewer_account", out.viewer_account);
  return in.status();
}

Status host_op_from_c(const restante_host_op* given, HostOp& out) {
  Reader in("restante_host_op");
  restante_host_op host_op;
  in.structure(given, host_op);
  if (!in.ok()) return in.status();
  in.only(host_op.present, 0);
  in.text(host_op.host, "host", out.host);
  in.text(host_op.name, "name", out.name);
  in.text(host_op.item_kind, "item_kind", out.item_kind);
  in.text(host_op.item_id, "item_id", out.item_id);
  in.text(host_op.data, "data", out.data);
  return in.status();
}

Status rewind_from_c(const restante_rewind* given, Rewind& out) {
  Reader in("restante_rewind");
  restante_rewind rewind;
  in.structure(given, rewind);
  if (!in.ok()) return in.status();
  in.only(rewind.present, 0);
  out.log = id_of(rewind.log);
  out.incarnation = id_of(rewind.incarnation);
  out.lsn = rewind.lsn;
  in.text(rewind.label, "label", out.label);
  return in.status();
}

/// Appends an operation that `fill` makes of its C form.
template <class Op, class Fill>
std::int32_t append(restante_ops* ops, restante_error** out_error, Fill&& fill) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    Op op;
    if (Status wrong = fill(op); !wrong.ok()) return wrong;
    Operation operation(std::move(op));
    if (Status wrong = validate(operation); !wrong.ok()) return wrong;
    ops->forget_reads();
    ops->own.push_back(std::move(operation));
    return {};
  });
}

Status messages_from_c(const restante_message* messages, std::size_t count, std::vector<Message>& out) {
  if (count == 0) return invalid("a message put needs a message");
  if (Status wrong = require(messages, "messages"); !wrong.ok()) return wrong;
  // Not reserved: the count is the caller's word.
  for (std::size_t i = 0; i < count; ++i) {
    Message message;
    if (Status wrong = message_from_c(messages, i, message); !wrong.ok()) return wrong;
    out.push_back(std::move(message));
  }
  return {};
}

}  // namespace

ContentRef content_from_c(const restante_content& content) noexcept {
  ContentRef out;
  std::copy(std::begin(content.digest), std::end(content.digest), out.digest.bytes.begin());
  out.size = content.size;
  return out;
}

restante_content content_to_c(const ContentRef& content) noexcept {
  restante_content out{};
  std::copy(content.digest.bytes.begin(), content.digest.bytes.end(), out.digest);
  out.size = content.size;
  return out;
}

Status account_from_c(const restante_account* given, Account& out) {
  Reader in("restante_account");
  restante_account account;
  in.structure(given, account);
  if (!in.ok()) return in.status();
  in.only(account.present, 0);
  in.text(account.id, "id", out.id);
  in.text(account.address, "address", out.address);
  in.text(account.name, "name", out.name);
  in.attributes(account.attributes, account.attribute_count, out.attributes);
  return in.status();
}

}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_ops_new(restante_ops** out_ops, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(out_ops, "out_ops"); !null.ok()) return null;
    *out_ops = new restante_ops;
    return {};
  });
}

void restante_ops_free(restante_ops* ops) { delete ops; }

std::int32_t restante_ops_clear(restante_ops* ops, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    ops->forget_reads();
    ops->own.clear();
    return {};
  });
}

std::int32_t restante_ops_account_put(restante_ops* ops, const restante_account* account,
                                      restante_error** out_error) {
  return append<AccountPut>(ops, out_error,
                            [&](AccountPut& op) { return account_from_c(account, op.account); });
}

std::int32_t restante_ops_account_delete(restante_ops* ops, restante_view account_id,
                                         restante_error** out_error) {
  return append<AccountDelete>(
      ops, out_error, [&](AccountDelete& op) { return read_view(account_id, "account_id", op.account_id); });
}

std::int32_t restante_ops_folder_put(restante_ops* ops, const restante_folder* folder,
                                     restante_error** out_error) {
  return append<FolderPut>(ops, out_error, [&](FolderPut& op) { return folder_from_c(folder, op.folder); });
}

std::int32_t restante_ops_folder_delete(restante_ops* ops, restante_view folder_id,
                                        restante_error** out_error) {
  return append<FolderDelete>(
      ops, out_error, [&](FolderDelete& op) { return read_view(folder_id, "folder_id", op.folder_id); });
}

std::int32_t restante_ops_message_put(restante_ops* ops, const restante_message* messages,
                                      std::size_t message_count, restante_error** out_error) {
  return append<MessagePut>(
      ops, out_error, [&](MessagePut& op) { return messages_from_c(messages, message_count, op.messages); });
}

std::int32_t restante_ops_message_expunge(restante_ops* ops, const restante_expunge* expunge,
                                          restante_error** out_error) {
  return append<MessageExpunge>(ops, out_error,
                                [&](MessageExpunge& op) { return expunge_from_c(expunge, op); });
}

std::int32_t restante_ops_flags_update(restante_ops* ops, const restante_flags_change* change,
                                       restante_error** out_error) {
  return append<FlagsUpdate>(ops, out_error, [&](FlagsUpdate& op) { return flags_from_c(change, op); });
}

std::int32_t restante_ops_item_put(restante_ops* ops, const restante_item* item, restante_error** out_error) {
  return append<ItemPut>(ops, out_error, [&](ItemPut& op) { return item_from_c(item, op.item); });
}

std::int32_t restante_ops_item_delete(restante_ops* ops, restante_view kind, restante_view id,
                                      restante_error** out_error) {
  return append<ItemDelete>(ops, out_error, [&](ItemDelete& op) {
    Status wrong = read_view(kind, "kind", op.kind);
    return wrong.ok() ? read_view(id, "id", op.id) : wrong;
  });
}

std::int32_t restante_ops_host_op(restante_ops* ops, const restante_host_op* host_op,
                                  restante_error** out_error) {
  return append<HostOp>(ops, out_error, [&](HostOp& op) { return host_op_from_c(host_op, op); });
}

std::int32_t restante_ops_rewind(restante_ops* ops, const restante_rewind* rewind,
                                 restante_error** out_error) {
  return append<Rewind>(ops, out_error, [&](Rewind& op) { return rewind_from_c(rewind, op); });
}
