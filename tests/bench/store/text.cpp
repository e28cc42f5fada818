#include "text.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace store {
namespace {

constexpr std::size_t kInventedBytes = 8u << 20, kLongestPiece = 2000, kLongestLine = 900;

/// What people wrote, not what programs encoded.
bool is_prose(std::string_view line) {
  if (line.size() > kLongestLine || line.substr(0, 2) == "--") return false;
  if (line.size() >= 50 && line.find(' ') == line.npos) return false;
  return std::all_of(line.begin(), line.end(), [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); });
}

void append_prose(std::string& out, std::string_view mail) {
  std::size_t at = std::min(mail.find("\n\n"), mail.find("\n\r\n"));
  while (at < mail.size()) {
    const std::size_t end = std::min(mail.find('\n', ++at), mail.size());
    std::string_view line = mail.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (is_prose(line)) (out += line) += '\n';
    at = end;
  }
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string out{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw std::runtime_error("cannot read " + path);
  return out;
}

Corpus Corpus::open(const std::string& directory) {
  Corpus corpus;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory))
    if (entry.is_regular_file()) corpus.paths_.push_back(entry.path().string());
  std::sort(corpus.paths_.begin(), corpus.paths_.end());
  if (corpus.paths_.empty()) throw std::runtime_error("no mail in " + directory);
  return corpus;
}

std::string Corpus::mail(std::size_t index) const { return read_file(paths_.at(index)); }

Text Text::of_corpus(const Corpus& corpus) {
  Text text;
  for (std::size_t i = 0; i < corpus.count(); i++) append_prose(text.lines_, corpus.mail(i));
  if (text.lines_.size() < 10 * kLongestPiece) throw std::runtime_error("too little text in the corpus");
  return text;
}

std::string invented_word(std::uint64_t number) {
  static constexpr std::string_view kBegin[] = {"b", "d", "f",  "g",  "k",  "l",  "m",  "n",
                                                "p", "r", "st", "tr", "th", "sh", "pl", "v"};
  static constexpr std::string_view kMiddle[] = {"a", "e", "i", "o", "u", "ea", "ou", "ie"};
  static constexpr std::string_view kEnd[] = {"", "n", "r", "s", "t", "nd", "ll", "ng"};
  Draws draws(0, Stream::kWord, number);
  std::string word;
  for (std::uint64_t syllables = 1 + draws.below(number < 100 ? 1 : 4); syllables > 0; syllables--)
    ((word += draws.one_of(kBegin)) += draws.one_of(kMiddle)) += draws.one_of(kEnd);
  return word;
}

Text Text::invented() {
  constexpr std::uint64_t kWords = 20'000;
  std::vector<std::string> words;
  for (std::uint64_t i = 0; i < kWords; i++) words.push_back(invented_word(i));
  Text text;
  text.lines_.reserve(kInventedBytes + kLongestLine);
  Draws draws(0, Stream::kText, 0);
  std::size_t line = 0;
  while (text.lines_.size() < kInventedBytes) {
    for (std::uint64_t left = draws.between(4, 20); left > 0; left--) {
      // Of a draw below a draw: few words are frequent, most are rare.
      const std::string& word = words[draws.below(1 + draws.below(1 + draws.below(kWords)))];
      if (line + word.size() > 72) text.lines_.back() = '\n', line = 0;
      (text.lines_ += word) += ' ';
      line += word.size() + 1;
    }
    text.lines_.back() = '.';
    text.lines_ += ' ';
    if (draws.chance(200'000)) text.lines_ += "\n\n", line = 0;
  }
  text.lines_ += '\n';
  return text;
}

std::string_view Text::piece(Draws& draws) const {
  const std::size_t from = draws.below(lines_.size() - kLongestPiece - kLongestLine - 1);
  const std::size_t bytes = draws.between(200, kLongestPiece);
  return std::string_view(lines_).substr(lines_.find('\n', from) + 1, bytes);
}

}  // namespace store
