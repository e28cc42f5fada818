// tinystore: a mail store that is small enough to read, with a redo log. README.md tells the story.
//
//     tinystore DIR create ACCOUNT
//     tinystore DIR deliver ACCOUNT... < message      answers with the message's id
//     tinystore DIR list ACCOUNT
//     tinystore DIR show ACCOUNT FOLDER ID
//     tinystore DIR flag ACCOUNT FOLDER ID +FLAG|-FLAG
//     tinystore DIR move ACCOUNT FOLDER ID TO-FOLDER
//     tinystore DIR expunge ACCOUNT FOLDER ID
//     tinystore DIR recover                           what every opening does
//     tinystore DIR tidy
//     tinystore DIR serve                             takes commands from standard input
//
// `serve` reads a command a line, `deliver SIZE ACCOUNT...` followed by SIZE bytes, and answers each, when it
// is done, with a line `ok` or `ok ID`, or `no` and the reason. Lines of `list` come before, behind `* `.

#include <cstdio>
#include <iostream>
#include <iterator>
#include <sstream>

#include "store.hpp"

namespace {

using restante::Message;
using restante::Result;
using restante::Status;
using tinystore::Store;

using Words = std::vector<std::string>;

constexpr std::size_t kMaxMessage = 8u << 20;

struct Flag {
  const char* name;
  std::uint32_t bit;
};
constexpr Flag kFlags[] = {{"answered", restante::kFlagAnswered},
                           {"deleted", restante::kFlagDeleted},
                           {"draft", restante::kFlagDraft},
                           {"flagged", restante::kFlagFlagged},
                           {"seen", restante::kFlagSeen}};

struct Answer {
  std::string lines;
  std::string id;
};

Status usage() { return Status(restante::Code::invalid_argument, "no such command, or not like this"); }

std::string names_of(std::uint32_t flags) {
  std::string names;
  for (const Flag& flag : kFlags) {
    if ((flags & flag.bit) != 0) names += (names.empty() ? "" : ",") + std::string(flag.name);
  }
  return names.empty() ? "-" : names;
}

Result<Answer> flag(Store& store, const Words& words) {
  const std::string& change = words[4];
  for (const Flag& flag : kFlags) {
    if (change.empty() || change.substr(1) != flag.name) continue;
    if (change[0] != '+' && change[0] != '-') break;
    using Mode = restante::FlagsUpdate::Mode;
    const Mode mode = change[0] == '+' ? Mode::add : Mode::remove;
    Status done = store.flag(words[1], words[2], words[3], mode, flag.bit);
    return done.ok() ? Result<Answer>(Answer{}) : done;
  }
  return usage();
}

Result<Answer> list(Store& store, const std::string& account) {
  const Result<std::vector<Message>> messages = store.list(account);
  if (!messages.ok()) return messages.status();
  Answer answer;
  for (const Message& message : *messages) {
    answer.lines += message.folder_id + " " + std::to_string(message.uid) + " " + names_of(message.flags) +
                    " " + std::to_string(message.content->size) + " " + message.content->digest.to_string() +
                    " " + message.id + "\n";
  }
  return answer;
}

/// Commands that need nothing but their words.
Result<Answer> run(Store& store, const Words& words) {
  const auto is = [&](const char* name, std::size_t count) {
    return !words.empty() && words[0] == name && words.size() == count;
  };
  Status done = usage();
  if (is("list", 2)) return list(store, words[1]);
  if (is("flag", 5)) return flag(store, words);
  if (is("create", 2)) done = store.create(words[1]);
  if (is("move", 5)) done = store.move(words[1], words[2], words[3], words[4]);
  if (is("expunge", 4)) done = store.expunge(words[1], words[2], words[3]);
  if (is("tidy", 1)) done = store.tidy();
  if (!done.ok()) return done;
  return Answer{};
}

Result<Answer> deliver(Store& store, const Words& accounts, const std::string& bytes) {
  if (accounts.empty()) return usage();
  Result<std::string> id = store.deliver(accounts, bytes);
  if (!id.ok()) return id.status();
  return Answer{{}, *std::move(id)};
}

std::string one_line(std::string text) {
  for (char& letter : text) letter = letter == '\n' ? ' ' : letter;
  return text;
}

Words words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

Result<Answer> serve_delivery(Store& store, const Words& words) {
  const std::size_t size = words.size() < 3 ? 0 : std::strtoull(words[1].c_str(), nullptr, 10);
  if (words.size() < 3 || size > kMaxMessage) return usage();
  std::string bytes(size, '\0');
  std::cin.read(bytes.data(), static_cast<std::streamsize>(size));
  if (!std::cin) return Status(restante::Code::invalid_argument, "the message is shorter than it should be");
  return deliver(store, {words.begin() + 2, words.end()}, bytes);
}

int serve(Store& store) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const Words words = words_of(line);
    const bool is_delivery = !words.empty() && words[0] == "deliver";
    const Result<Answer> answer = is_delivery ? serve_delivery(store, words) : run(store, words);
    if (!answer.ok()) {
      std::printf("no %s\n", one_line(answer.status().to_string()).c_str());
    } else {
      std::istringstream lines(answer->lines);
      for (std::string one; std::getline(lines, one);) std::printf("* %s\n", one.c_str());
      std::printf("ok%s%s\n", answer->id.empty() ? "" : " ", answer->id.c_str());
    }
    if (std::fflush(stdout) != 0) return 1;
  }
  return 0;
}

Result<Answer> run_once(Store& store, const Words& words) {
  if (words[0] == "deliver") {
    const std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
    return deliver(store, {words.begin() + 1, words.end()}, bytes);
  }
  if (words[0] == "show" && words.size() == 4) {
    Result<std::string> bytes = store.show(words[1], words[2], words[3]);
    if (!bytes.ok()) return bytes.status();
    return Answer{*std::move(bytes), {}};
  }
  if (words[0] == "recover" && words.size() == 1) {
    const tinystore::Recovered& done = store.recovered();
    return Answer{
        "replayed " + std::to_string(done.replayed) + ", finished " + std::to_string(done.finished) + "\n",
        {}};
  }
  return run(store, words);
}

int fail(const Status& status) {
  std::fprintf(stderr, "tinystore: %s\n", status.to_string().c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tinystore DIR COMMAND [ARGUMENT]...\n");
    return 2;
  }
  const Result<std::unique_ptr<Store>> store = Store::open(argv[1]);
  if (!store.ok()) return fail(store.status());
  const Words words(argv + 2, argv + argc);
  if (words[0] == "serve" && words.size() == 1) return serve(**store);
  const Result<Answer> answer = run_once(**store, words);
  if (!answer.ok()) return fail(answer.status());
  std::fwrite(answer->lines.data(), 1, answer->lines.size(), stdout);
  if (!answer->id.empty()) std::printf("%s\n", answer->id.c_str());
  return std::fflush(stdout) == 0 ? 0 : 1;
}
