#include "conformance/mail_sink.hpp"

#include <restante/mailbox_state.hpp>

#include <algorithm>
#include <map>

namespace restante::conformance {
namespace {

constexpr std::int64_t kDateUs = 1'600'000'000'000'000;

// The content of a backup.
class Contents final : public ContentOpener {
 public:
  ContentRef add(std::string_view text) {
    const ContentRef ref = content_ref_of(as_bytes(text));
    texts_[ref.digest] = text;
    return ref;
  }
  Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) override {
    const auto found = texts_.find(content.digest);
    if (found == texts_.end()) return Status(Code::not_found, "the content is not there");
    return read_from_memory(as_bytes(found->second));
  }

 private:
  std::map<Digest, std::string> texts_;
};

class Check {
 public:
  explicit Check(MailSinkPlace& place)
      : source(place.source()), sink(place.sink()), address(place.address()) {
    const Result<std::string> id = sink.new_account_id(address);
    ok(id.status(), "new_account_id");
    if (id.ok()) account = *id;
  }

  MailSource& source;
  MailSink& sink;
  std::string address;
  std::string account;
  Contents contents;
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

  // Performs the operations in one transaction and checks that each element has its outcome.
  std::vector<ElementOutcome> perform(const SinkBegin& begin, const std::vector<Operation>& operations) {
    Result<std::unique_ptr<SinkTransaction>> transaction = sink.begin(account, begin);
    ok(transaction.status(), "begin");
    std::vector<ElementOutcome> all;
    if (!transaction.ok()) return all;
    for (const Operation& operation : operations) {
      std::vector<ElementOutcome> outcomes;
      ok((*transaction)->apply(operation, contents, outcomes), describe(operation));
      const auto* put = std::get_if<MessagePut>(&operation);
      const std::size_t elements = put == nullptr ? 1 : put->messages.size();
      that(outcomes.size() == elements,
           describe(operation) + " has " + std::to_string(outcomes.size()) + " outcomes");
      for (std::size_t i = 0; i < outcomes.size(); ++i) {
        that(outcomes[i].element == i, describe(operation) + ": outcomes are not in order");
        that(outcomes[i].outcome != Outcome::refused || !outcomes[i].reason.empty(),
             describe(operation) + " is refused without a reason");
        all.push_back(outcomes[i]);
      }
    }
    ok((*transaction)->commit(), "commit");
    return all;
  }

  MailboxState state() {
    MailboxState out;
    OpVector operations;
    ok(source.snapshot(account, operations).status(), "snapshot");
    for (const Operation& operation : operations.operations) ok(out.apply(operation), "apply");
    return out;
  }

  std::string text_of(const Message& message) {
    ContentPlace place;
    place.folder_id = message.folder_id;
    place.message_id = message.id;
    place.uid = message.uid;
    Result<std::unique_ptr<ContentReader>> reader = source.open_content(account, place);
    ok(reader.status(), "open_content");
    if (!reader.ok()) return {};
    const Result<Bytes> bytes = read_all(**reader);
    ok(bytes.status(), "read");
    return bytes.ok() ? std::string(as_text(*bytes)) : std::string();
  }

  // Messages of the folder at `path`, by content.
  std::map<std::string, Message> by_text(const MailboxState& state, std::string_view path) {
    std::map<std::string, Message> out;
    for (const auto& [key, message] : state.messages()) {
      if (state.path_of(key.first) == path) out[text_of(message)] = message;
    }
    return out;
  }

  const Folder* folder(const MailboxState& state, std::string_view path) {
    for (const auto& [id, one] : state.folders()) {
      if (state.path_of(id) == path) return &one;
    }
    return nullptr;
  }

  std::vector<Operation> mailbox() {
    const auto message = [&](const char* id, const char* folder, std::uint32_t uidvalidity, std::uint32_t uid,
                             std::uint32_t flags, const char* text) {
      Message out;
      out.id = id;
      out.folder_id = folder;
      out.uidvalidity = uidvalidity;
      out.uid = uid;
      out.flags = flags;
      out.internal_date = Time{kDateUs + std::int64_t{uid} * 1'000'000};
      out.content = contents.add(text);
      return out;
    };
    Folder inbox;
    inbox.id = "1111111111111111111111111111111a";
    inbox.name = "INBOX";
    inbox.uidvalidity = 7;
    inbox.uidnext = 20;
    Folder work = inbox;
    work.id = "1111111111111111111111111111111b";
    work.name = "Work";
    work.uidvalidity = 8;
    Folder reports = work;
    reports.id = "1111111111111111111111111111111c";
    reports.parent_id = work.id;
    reports.name = "Reports \xc3\xbc";
    reports.uidvalidity = 9;
    MessagePut put;
    put.messages = {message("m1", inbox.id.c_str(), 7, 3, kFlagSeen, "first"),
                    message("m2", inbox.id.c_str(), 7, 5, kFlagFlagged | kFlagAnswered, "second"),
                    message("m3", inbox.id.c_str(), 7, 12, 0, "third")};
    put.messages[1].keywords = {"Junk"};
    MessagePut below;
    below.messages = {message("m1", reports.id.c_str(), 9, 1, kFlagDraft, "below")};
    Account owner;
    owner.id = account;
    owner.address = address;
    return {AccountPut{owner}, FolderPut{inbox}, FolderPut{work}, FolderPut{reports}, put, below};
  }

  // The mailbox above in the store, by whatever way it has.
  bool make() {
    const SinkTraits traits = sink.traits();
    const Identity identity = traits.can_exact   ? Identity::exact
                              : traits.can_renew ? Identity::renew
                                                 : Identity::keep;
    perform({identity, Continuity::reset, true}, mailbox());
    return failure.empty();
  }
};

SinkBegin in_place(Identity identity) { return {identity, Continuity::continued, false}; }

void an_account_is_made(Check& check) {
  check.fails(check.sink.find_account(check.address).status(), Code::not_found, "find_account before");
  check.fails(check.sink.begin(check.account, in_place(Identity::keep)).status(), Code::not_found,
              "begin without create_account");
  if (!check.make()) return;
  const Result<std::string> found = check.sink.find_account(check.address);
  check.that(found.ok() && *found == check.account, "find_account afterwards does not find the account");
}

void exact_gives_everything_back(Check& check) {
  if (!check.sink.traits().can_exact) return;
  const std::vector<Operation> mailbox = check.mailbox();
  for (const ElementOutcome& outcome : check.perform({Identity::exact, Continuity::reset, true}, mailbox)) {
    check.that(outcome.outcome == Outcome::created, "something was not created: " + outcome.reason);
  }
  MailboxState wanted;
  for (const Operation& operation : mailbox) check.ok(wanted.apply(operation), "apply");
  OpVector from;
  OpVector to;
  check.ok(check.state().write(from), "write");
  check.ok(wanted.write(to), "write");
  for (Operation& operation : from.operations) {
    // The store need not tell content in its snapshot.
    auto* put = std::get_if<MessagePut>(&operation);
    if (put == nullptr) continue;
    for (Message& message : put->messages) message.content = check.contents.add(check.text_of(message));
  }
  OpVector out;
  DifferenceOptions options;
  options.fields = (check.sink.traits().fields & check.source.fields()).without({Field::attributes});
  const auto from_stream = stream_of(from.operations);
  const auto to_stream = stream_of(to.operations);
  const Result<DifferenceSummary> summary = difference(*from_stream, *to_stream, out, options);
  check.ok(summary.status(), "difference");
  for (const Operation& operation : out.operations) {
    // What the account's record says of files is the store's own.
    if (!std::holds_alternative<AccountPut>(operation)) check.that(false, "differs: " + describe(operation));
  }
}

void keep_leaves_what_is_there(Check& check) {
  if (!check.sink.traits().can_keep || !check.make()) return;
  const MailboxState before = check.state();
  const std::map<std::string, Message> messages = check.by_text(before, "INBOX");
  if (messages.size() != 3) return check.that(false, "the mailbox was not made");

  // One message goes, and comes back.
  MessageExpunge expunge;
  expunge.folder_id = messages.at("second").folder_id;
  expunge.uidvalidity = messages.at("second").uidvalidity;
  expunge.messages.message_ids = {messages.at("second").id};
  const auto gone = check.perform(in_place(Identity::keep), {expunge});
  check.that(gone.size() == 1 && gone[0].outcome == Outcome::removed, "an expunged message was not removed");
  check.that(check.by_text(check.state(), "INBOX").size() == 2, "an expunged message is there");
  MessagePut put;
  put.messages = {messages.at("second")};
  put.messages[0].content = check.contents.add("second");
  put.messages[0].uid = 0;
  const auto outcomes = check.perform(in_place(Identity::keep), {put});
  check.that(outcomes.size() == 1 && outcomes[0].outcome == Outcome::created,
             "a returning message was not created");

  const MailboxState after = check.state();
  const std::map<std::string, Message> now = check.by_text(after, "INBOX");
  if (now.size() != 3) return check.that(false, "a returning message is not there");
  for (const char* text : {"first", "third"}) {
    check.that(now.at(text).uid == messages.at(text).uid, "a message that stayed has another uid");
    check.that(now.at(text).id == messages.at(text).id, "a message that stayed has another id");
  }
  const Message& back = now.at("second");
  check.that(back.uid == 0 || back.uid > messages.at("third").uid, "a returning message has an old uid");
  check.that(outcomes[0].id.empty() ? back.id == messages.at("second").id : back.id == outcomes[0].id,
             "the outcome names another id than the store");
  check.that(back.flags == messages.at("second").flags, "flags of a returning message");
  check.that(back.keywords == messages.at("second").keywords, "keywords of a returning message");
  check.that(back.internal_date == messages.at("second").internal_date, "date of a returning message");
  const Folder* inbox_before = check.folder(before, "INBOX");
  const Folder* inbox_after = check.folder(after, "INBOX");
  check.that(inbox_before->uidvalidity == inbox_after->uidvalidity, "keep changed uidvalidity");
  check.that(inbox_before->uidnext.value_or(0) <= inbox_after->uidnext.value_or(0), "uidnext fell");
}

void renew_gives_a_greater_uidvalidity(Check& check) {
  if (!check.sink.traits().can_renew) return;
  const auto outcomes = check.perform({Identity::renew, Continuity::reset, true}, check.mailbox());
  const MailboxState state = check.state();
  const Folder* inbox = check.folder(state, "INBOX");
  if (inbox == nullptr) return check.that(false, "there is no INBOX");
  check.that(inbox->uidvalidity > 7, "uidvalidity is not greater");
  check.that(
      std::any_of(outcomes.begin(), outcomes.end(),
                  [&](const ElementOutcome& outcome) { return outcome.uidvalidity == inbox->uidvalidity; }),
      "no outcome tells the new uidvalidity");
  const std::map<std::string, Message> messages = check.by_text(state, "INBOX");
  check.that(messages.size() == 3 && messages.at("third").uid == 12, "recorded uids are not kept");
}

void flags_change(Check& check) {
  if (!check.make()) return;
  const Message before = check.by_text(check.state(), "INBOX")["first"];
  FlagsUpdate update;
  update.folder_id = before.folder_id;
  update.uidvalidity = before.uidvalidity;
  update.messages.message_ids = {before.id};
  update.flags = kFlagDeleted;
  check.perform(in_place(Identity::keep), {update});
  check.that(check.by_text(check.state(), "INBOX")["first"].flags == kFlagDeleted, "replace");
  update.mode = FlagsUpdate::Mode::add;
  update.flags = kFlagSeen;
  update.keywords = {"Later"};
  check.perform(in_place(Identity::keep), {update});
  Message after = check.by_text(check.state(), "INBOX")["first"];
  check.that(after.flags == (kFlagDeleted | kFlagSeen), "add");
  check.that(after.keywords == std::vector<std::string>{"Later"}, "add of a keyword");
  update.mode = FlagsUpdate::Mode::remove;
  check.perform(in_place(Identity::keep), {update});
  after = check.by_text(check.state(), "INBOX")["first"];
  check.that(after.flags == kFlagDeleted && after.keywords.empty(), "remove");
  check.that(after.uid == before.uid && after.internal_date == before.internal_date,
             "flags changed more than flags");
}

void folders_are_renamed_and_removed(Check& check) {
  if (!check.make()) return;
  const MailboxState before = check.state();
  Folder work = *check.folder(before, "Work");
  work.name = "Arbeit";
  check.perform(in_place(Identity::keep), {FolderPut{work}});
  const MailboxState renamed = check.state();
  check.that(check.folder(renamed, "Arbeit") != nullptr, "a renamed folder is not there");
  check.that(check.folder(renamed, "Work") == nullptr, "a renamed folder has its old name too");
  check.that(check.by_text(renamed, "Arbeit/Reports \xc3\xbc").size() == 1,
             "a renamed folder lost what is below it");
  if (!check.failure.empty()) return;
  check.perform(in_place(Identity::keep),
                {FolderDelete{check.folder(renamed, "Arbeit/Reports \xc3\xbc")->id}});
  const MailboxState removed = check.state();
  check.that(check.folder(removed, "Arbeit/Reports \xc3\xbc") == nullptr, "a deleted folder is there");
  check.that(check.folder(removed, "Arbeit") != nullptr, "deleting a folder took its parent");
}

void a_second_time_changes_nothing(Check& check) {
  if (!check.sink.traits().can_keep || !check.make()) return;
  const MailboxState before = check.state();
  OpVector operations;
  check.ok(before.write(operations), "write");
  for (Operation& operation : operations.operations) {
    auto* put = std::get_if<MessagePut>(&operation);
    if (put == nullptr) continue;
    for (Message& message : put->messages) message.content = check.contents.add(check.text_of(message));
  }
  for (const ElementOutcome& outcome : check.perform(in_place(Identity::keep), operations.operations)) {
    check.that(outcome.outcome == Outcome::kept, "putting what is there changed it: " + outcome.reason);
  }
  check.that(check.state() == before, "putting what is there changed it");
}

void content_that_fails_refuses_one_message(Check& check) {
  if (!check.make()) return;
  const Message first = check.by_text(check.state(), "INBOX")["first"];
  MessagePut put;
  put.messages = {first, first};
  put.messages[0].id = "lost";
  put.messages[0].uid = 0;
  put.messages[0].content = content_ref_of(as_bytes("nobody has this"));
  put.messages[1].id = "there";
  put.messages[1].uid = 0;
  put.messages[1].content = check.contents.add("fourth");
  const auto outcomes = check.perform(in_place(Identity::keep), {put});
  if (outcomes.size() != 2) return;
  check.that(outcomes[0].outcome == Outcome::refused, "a message without content was not refused");
  check.that(outcomes[1].outcome == Outcome::created, "the message behind a refused one was not created");
  check.that(check.by_text(check.state(), "INBOX").size() == 4,
             "the message behind a refused one is not there");
}

void abort_undoes_what_it_says(Check& check) {
  if (!check.make() || !check.sink.traits().atomic) return;
  const MailboxState before = check.state();
  for (const bool by_abort : {true, false}) {
    Result<std::unique_ptr<SinkTransaction>> transaction =
        check.sink.begin(check.account, in_place(Identity::keep));
    check.ok(transaction.status(), "begin");
    if (!transaction.ok()) return;
    std::vector<ElementOutcome> outcomes;
    for (const auto& [id, folder] : before.folders()) {
      if (folder.name == "INBOX") continue;
      check.ok((*transaction)->apply(FolderDelete{id}, check.contents, outcomes), "FolderDelete");
    }
    if (by_abort) (*transaction)->abort();
  }
  check.that(check.state() == before, "abort left changes behind");
}

struct Named {
  const char* name;
  void (*run)(Check&);
};
constexpr Named kChecks[] = {
    {"an account is made", an_account_is_made},
    {"exact gives everything back", exact_gives_everything_back},
    {"keep leaves what is there", keep_leaves_what_is_there},
    {"renew gives a greater uidvalidity", renew_gives_a_greater_uidvalidity},
    {"flags change", flags_change},
    {"folders are renamed and removed", folders_are_renamed_and_removed},
    {"a second time changes nothing", a_second_time_changes_nothing},
    {"content that fails refuses one message", content_that_fails_refuses_one_message},
    {"abort undoes what it says", abort_undoes_what_it_says},
};

}  // namespace

std::vector<MailCheck> check_mail_sink(const std::function<std::unique_ptr<MailSinkPlace>()>& make_place) {
  std::vector<MailCheck> out;
  for (const Named& named : kChecks) {
    const std::unique_ptr<MailSinkPlace> place = make_place();
    Check check(*place);
    if (check.failure.empty()) named.run(check);
    out.push_back({named.name, check.failure});
  }
  return out;
}

}  // namespace restante::conformance
