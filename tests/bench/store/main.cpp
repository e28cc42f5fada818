// Makes large, reproducible mail stores whose sizes, encodings and duplicates look like real mail's, and lets
// them live. The same options give the same bytes on every machine; any range of mails can be made alone.
//
//     bench-store make DIRECTORY --messages 40000       DIRECTORY/mail/user00001/... and DIRECTORY/store.txt
//     bench-store churn DIRECTORY --day 1               a day's new, deleted, changed and moved messages
//     bench-store figures --mails 100000 --check        only counts; fails if the profile is missed by 2 %
//
// What is in a store was counted while it was made, and is printed: a line "name value" each, shares in
// thousandths.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "store.hpp"

namespace {

constexpr char kUsage[] =
    "usage: bench-store make DIRECTORY OPTION...\n"
    "       bench-store churn DIRECTORY --day D [--made M] [--deleted M] [--flagged M] [--moved M]\n"
    "       bench-store figures OPTION...\n"
    "  --messages T | --mails N   so many files in the end, or so many distinct mails\n"
    "  --profile list|office      (list)\n"
    "  --users U                  (200)\n"
    "  --seed S                   (1)\n"
    "  --corpus DIRECTORY         text from real mails, which are also put in as they are\n"
    "  --untidy N                 one in N base64 parts is irregular (1000)\n"
    "  --hard-links               30 % of the further copies are links to the first\n"
    "  --range A:B                only the mails A to B-1\n"
    "  --threads N                (as many as there are processors)\n"
    "  --check                    exit 1 if the mails are not within 2 % of the profile\n"
    "M are millionths of the messages.\n";

struct Usage : std::runtime_error {
  using std::runtime_error::runtime_error;
};

std::uint64_t number_of(const std::string& text) {
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos)
    throw Usage("not a number: " + text);
  return std::strtoull(text.c_str(), nullptr, 10);
}

/// The words of a command line: options with a value, and those without.
class Words {
 public:
  Words(int count, char** words) : words_(words, words + count) {}

  std::string positional() {
    if (words_.empty() || words_.front().rfind("--", 0) == 0) throw Usage("a word is missing");
    return taken(0);
  }
  bool flag(const std::string& name) {
    for (std::size_t i = 0; i < words_.size(); i++)
      if (words_[i] == name) return taken(i), true;
    return false;
  }
  void text(const std::string& name, std::string& value) {
    for (std::size_t i = 0; i + 1 < words_.size(); i++)
      if (words_[i] == name) {
        taken(i);
        value = taken(i);
        return;
      }
  }
  template <class Number>
  void number(const std::string& name, Number& value) {
    std::string found;
    text(name, found);
    if (!found.empty()) value = static_cast<Number>(number_of(found));
  }
  void expect_end() const {
    if (!words_.empty()) throw Usage("not understood: " + words_.front());
  }

 private:
  std::string taken(std::size_t i) {
    std::string word = words_[i];
    words_.erase(words_.begin() + static_cast<std::ptrdiff_t>(i));
    return word;
  }
  std::vector<std::string> words_;
};

store::Options read_options(Words& words) {
  store::Options options;
  words.text("--profile", options.profile);
  words.text("--corpus", options.corpus);
  words.number("--users", options.users);
  words.number("--seed", options.seed);
  words.number("--mails", options.mails);
  words.number("--messages", options.messages);
  words.number("--untidy", options.untidy_in);
  options.hard_links = words.flag("--hard-links");
  if ((options.mails == 0) == (options.messages == 0)) throw Usage("either --mails or --messages");
  if (options.users == 0 || options.untidy_in == 0) throw Usage("--users and --untidy are at least 1");
  return options;
}

/// So that `churn` knows what `make` made.
void save(const std::string& path, const store::Options& options) {
  std::ofstream out(path);
  out << "--profile " << options.profile << "\n--users " << options.users << "\n--seed " << options.seed
      << "\n"
      << (options.messages != 0 ? "--messages " : "--mails ")
      << (options.messages != 0 ? options.messages : options.mails) << "\n--untidy " << options.untidy_in
      << "\n";
  if (!options.corpus.empty()) out << "--corpus " << options.corpus << "\n";
  if (options.hard_links) out << "--hard-links\n";
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
}

store::Options load(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path + ": not a store made here");
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    const std::size_t blank = line.find(' ');
    lines.push_back(line.substr(0, blank));
    if (blank != line.npos) lines.push_back(line.substr(blank + 1));
  }
  std::vector<char*> pointers;
  for (std::string& line : lines) pointers.push_back(line.data());
  Words words(static_cast<int>(pointers.size()), pointers.data());
  return read_options(words);
}

int make(Words& words, bool writes) {
  const std::string directory = writes ? words.positional() : "";
  store::Options options = read_options(words);
  std::string range;
  words.text("--range", range);
  std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
  words.number("--threads", threads);
  const bool checks = words.flag("--check");
  words.expect_end();

  const store::Store store(options);
  std::uint64_t from = 0, to = store.placement().mails();
  if (const std::size_t colon = range.find(':'); colon != range.npos) {
    from = number_of(range.substr(0, colon));
    to = std::min(to, number_of(range.substr(colon + 1)));
  } else if (!range.empty()) {
    throw Usage("a range is A:B");
  }
  if (writes) {
    std::filesystem::create_directories(directory);
    save(directory + "/store.txt", options);
  }
  store::Figures figures =
      store.make(writes ? directory + "/mail" : "", from, to, std::max<std::size_t>(1, threads));
  std::fputs(figures.text().c_str(), stdout);
  if (!checks) return 0;
  const std::vector<std::string> deviations = figures.deviations(store.profile());
  for (const std::string& line : deviations) std::fprintf(stderr, "bench-store: %s\n", line.c_str());
  return deviations.empty() ? 0 : 1;
}

int churn(Words& words) {
  const std::string directory = words.positional();
  store::Day day;
  words.number("--day", day.number);
  words.number("--made", day.made);
  words.number("--deleted", day.deleted);
  words.number("--flagged", day.flagged);
  words.number("--moved", day.moved);
  words.expect_end();
  if (day.number == 0 || day.number > 255) throw Usage("a day is 1 to 255");
  const store::Store store(load(directory + "/store.txt"));
  const store::Store::Changes changes = store.live(directory + "/mail", day);
  std::printf("made %ju\ndeleted %ju\nflagged %ju\nmoved %ju\n", static_cast<std::uintmax_t>(changes.made),
              static_cast<std::uintmax_t>(changes.deleted), static_cast<std::uintmax_t>(changes.flagged),
              static_cast<std::uintmax_t>(changes.moved));
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    Words words(count - 1, arguments + 1);
    const std::string command = words.positional();
    if (command == "make") return make(words, true);
    if (command == "figures") return make(words, false);
    if (command == "churn") return churn(words);
    throw Usage("no command " + command);
  } catch (const Usage& error) {
    std::fprintf(stderr, "bench-store: %s\n%s", error.what(), kUsage);
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-store: %s\n", error.what());
    return 1;
  }
}
