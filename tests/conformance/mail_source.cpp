#include "conformance/mail_source.hpp"

#include <restante/mailbox_state.hpp>

#include <set>

namespace restante::conformance {
namespace {

class Check {
 public:
  explicit Check(MailSource& given) : source(given) {}

  MailSource& source;
  std::string failure;

  void that(bool holds, const std::string& what) {
    if (!holds && failure.empty()) failure = what;
  }
  void ok(const Status& status, const std::string& what) {
    that(status.ok(), what + ": " + status.to_string());
  }
  void fails(const Status& status, Code code, const std::string& what) {
    that(status.code() == code, what + " answered " + std::string(name_of(status.code())) + " instead of " +
                                    std::string(name_of(code)));
  }
  std::vector<Account> accounts() {
    std::vector<Account> out;
    ok(source.list_accounts([&](const Account& account) {
      out.push_back(account);
      return Status();
    }),
       "list_accounts");
    that(!out.empty(), "the place has no account");
    return out;
  }
  std::vector<Operation> snapshot(const std::string& account) {
    OpVector out;
    ok(source.snapshot(account, out).status(), "snapshot of " + account);
    return std::move(out.operations);
  }
  std::vector<Message> messages(const std::string& account) {
    std::vector<Message> out;
    for (Operation& operation : snapshot(account)) {
      if (auto* put = std::get_if<MessagePut>(&operation)) {
        for (Message& message : put->messages) out.push_back(std::move(message));
      }
    }
    return out;
  }
};

ContentPlace place_of(const Message& message) {
  ContentPlace place;
  place.folder_id = message.folder_id;
  place.message_id = message.id;
  place.uid = message.uid;
  return place;
}

void accounts_are_listed_once(Check& check) {
  std::set<std::string> ids;
  for (const Account& account : check.accounts()) {
    check.that(ids.insert(account.id).second, "account " + account.id + " is listed twice");
    check.that(account.id != kServerAccount, "an account has the id of the server");
    check.ok(validate(AccountPut{account}), "account " + account.id);
  }
}

void failures_of_the_caller_are_passed_on(Check& check) {
  const Status mine(Code::cancelled, "the caller's own");
  check.fails(check.source.list_accounts([&](const Account&) { return mine; }), Code::cancelled,
              "list_accounts with a function that fails");
  class Failing final : public OpSink {
   public:
    Status put(Operation) override { return Status(Code::cancelled, "the caller's own"); }
  };
  for (const Account& account : check.accounts()) {
    Failing failing;
    check.fails(check.source.snapshot(account.id, failing).status(), Code::cancelled,
                "snapshot into a sink that fails");
  }
}

void a_snapshot_is_one(Check& check) {
  for (const Account& account : check.accounts()) {
    std::set<std::string> folders;
    std::set<MessageKey> messages;
    std::set<std::pair<std::string, std::uint32_t>> uids;
    std::set<ItemKey> items;
    const std::vector<Operation> operations = check.snapshot(account.id);
    check.that(!operations.empty() && std::holds_alternative<AccountPut>(operations.front()),
               "a snapshot does not begin with its account");
    std::map<std::string, std::uint32_t> uidvalidity;
    for (const Operation& operation : operations) {
      check.ok(validate(operation), describe(operation));
      if (const auto* put = std::get_if<AccountPut>(&operation)) {
        check.that(put->account == account, "snapshot and list tell different things of " + account.id);
      } else if (const auto* folder = std::get_if<FolderPut>(&operation)) {
        check.that(folders.insert(folder->folder.id).second, "folder " + folder->folder.id + " twice");
        uidvalidity[folder->folder.id] = folder->folder.uidvalidity;
      } else if (const auto* put_messages = std::get_if<MessagePut>(&operation)) {
        for (const Message& message : put_messages->messages) {
          check.that(folders.contains(message.folder_id),
                     "message " + message.id + " stands before its folder");
          check.that(uidvalidity[message.folder_id] == message.uidvalidity,
                     "message " + message.id + " has another uidvalidity than its folder");
          check.that(messages.insert({message.folder_id, message.id}).second,
                     "message " + message.id + " twice");
          check.that(message.uid == 0 || uids.insert({message.folder_id, message.uid}).second,
                     "uid " + std::to_string(message.uid) + " twice in a folder");
        }
      } else if (const auto* item = std::get_if<ItemPut>(&operation)) {
        check.that(items.insert({item->item.kind, item->item.id}).second, "item " + item->item.id + " twice");
      } else {
        check.that(std::holds_alternative<HostOp>(operation), describe(operation) + " is not of a snapshot");
      }
    }
    for (const Operation& operation : operations) {
      const auto* folder = std::get_if<FolderPut>(&operation);
      if (folder == nullptr || folder->folder.parent_id.empty()) continue;
      check.that(folders.contains(folder->folder.parent_id),
                 "folder " + folder->folder.id + " names a parent that is not there");
    }
  }
}

void only_declared_fields_are_told(Check& check) {
  const FieldSet fields = check.source.fields();
  for (const Account& account : check.accounts()) {
    for (const Message& message : check.messages(account.id)) {
      const auto only_with = [&](Field field, bool told, const char* name) {
        check.that(fields.has(field) || !told, std::string(name) + " is told and not declared");
        // Dates are what restores are judged by: who declares them tells them.
        if (field == Field::internal_date) check.that(!fields.has(field) || told, "internal_date is missing");
      };
      only_with(Field::uid, message.uid != 0, "uid");
      only_with(Field::modseq, message.modseq.has_value(), "modseq");
      only_with(Field::email_id, !message.email_id.empty(), "email_id");
      only_with(Field::thread_id, !message.thread_id.empty(), "thread_id");
      only_with(Field::internal_date, message.internal_date.has_value(), "internal_date");
      only_with(Field::save_date, message.save_date.has_value(), "save_date");
      only_with(Field::keywords, !message.keywords.empty(), "keywords");
      only_with(Field::tags, !message.tags.empty(), "tags");
      only_with(Field::viewer_flags, !message.viewer_flags.empty(), "viewer_flags");
      only_with(Field::attributes, !message.attributes.empty(), "attributes");
    }
  }
}

void two_snapshots_of_a_quiet_store_are_equal(Check& check) {
  for (const Account& account : check.accounts()) {
    MailboxState first;
    MailboxState second;
    for (const Operation& operation : check.snapshot(account.id)) check.ok(first.apply(operation), "apply");
    for (const Operation& operation : check.snapshot(account.id)) check.ok(second.apply(operation), "apply");
    check.that(first == second, "two snapshots of " + account.id + " differ");
  }
}

void content_opens_and_is_what_was_told(Check& check) {
  for (const Account& account : check.accounts()) {
    for (const Message& message : check.messages(account.id)) {
      Bytes bytes[2];
      for (Bytes& one : bytes) {
        Result<std::unique_ptr<ContentReader>> reader =
            check.source.open_content(account.id, place_of(message));
        check.ok(reader.status(), "content of message " + message.id);
        if (!reader.ok()) return;
        Result<Bytes> read = read_all(**reader);
        check.ok(read.status(), "content of message " + message.id);
        if (read.ok()) one = std::move(*read);
      }
      check.that(bytes[0] == bytes[1], "message " + message.id + " reads differently the second time");
      check.that(!message.content || message.content->size == bytes[0].size(),
                 "message " + message.id + " has another size than was told");
    }
    for (const Operation& operation : check.snapshot(account.id)) {
      const auto* put = std::get_if<ItemPut>(&operation);
      if (put == nullptr) continue;
      ContentPlace place;
      place.item_kind = put->item.kind;
      place.item_id = put->item.id;
      const Result<std::unique_ptr<ContentReader>> reader = check.source.open_content(account.id, place);
      const bool none = reader.status().code() == Code::unsupported && !put->item.content;
      check.that(reader.ok() || none, "content of item " + put->item.id + ": " + reader.status().to_string());
    }
  }
}

void what_is_not_there_is_not_found(Check& check) {
  OpVector out;
  check.fails(check.source.snapshot("no such account \x01", out).status(), Code::not_found,
              "snapshot of an unknown account");
  for (const Account& account : check.accounts()) {
    for (Message message : check.messages(account.id)) {
      message.id += "-no-such-message";
      message.uid = 0;
      check.fails(check.source.open_content(account.id, place_of(message)).status(), Code::not_found,
                  "content of an unknown message");
      message.folder_id += "-no-such-folder";
      check.fails(check.source.open_content(account.id, place_of(message)).status(), Code::not_found,
                  "content in an unknown folder");
      break;
    }
  }
}

void server_data_is_items(Check& check) {
  OpVector out;
  check.ok(check.source.server_data(out), "server_data");
  for (const Operation& operation : out.operations) {
    check.ok(validate(operation), describe(operation));
    check.that(std::holds_alternative<ItemPut>(operation), describe(operation) + " is no server data");
  }
}

void suspending_and_barriers_end(Check& check) {
  for (const Account& account : check.accounts()) {
    check.ok(check.source.barrier(account.id), "barrier");
    if (!check.source.can_suspend()) continue;
    check.ok(check.source.suspend(account.id), "suspend");
    check.ok(check.source.resume(account.id), "resume");
  }
}

struct Named {
  const char* name;
  void (*run)(Check&);
};
constexpr Named kChecks[] = {
    {"accounts are listed once", accounts_are_listed_once},
    {"failures of the caller are passed on", failures_of_the_caller_are_passed_on},
    {"a snapshot is one", a_snapshot_is_one},
    {"only declared fields are told", only_declared_fields_are_told},
    {"two snapshots of a quiet store are equal", two_snapshots_of_a_quiet_store_are_equal},
    {"content opens and is what was told", content_opens_and_is_what_was_told},
    {"what is not there is not found", what_is_not_there_is_not_found},
    {"server data is items", server_data_is_items},
    {"suspending and barriers end", suspending_and_barriers_end},
};

}  // namespace

std::vector<MailCheck> check_mail_source(
    const std::function<std::unique_ptr<MailSourcePlace>()>& make_place) {
  std::vector<MailCheck> out;
  for (const Named& named : kChecks) {
    const std::unique_ptr<MailSourcePlace> place = make_place();
    Check check(place->source());
    named.run(check);
    out.push_back({named.name, check.failure});
  }
  return out;
}

}  // namespace restante::conformance
