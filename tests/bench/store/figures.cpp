#include "figures.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "draw.hpp"
#include "encoding.hpp"

namespace store {
namespace {

/// Good enough to tell contents of one's own making apart, and as fast as memory.
std::uint64_t digest(std::string_view bytes) {
  std::uint64_t lanes[4] = {1, 2, 3, bytes.size()};
  for (; bytes.size() >= sizeof lanes; bytes.remove_prefix(sizeof lanes)) {
    std::uint64_t words[4];
    std::memcpy(words, bytes.data(), sizeof words);
    for (int i = 0; i < 4; i++) {
      lanes[i] = (lanes[i] ^ words[i]) * 0x9e3779b97f4a7c15;
      lanes[i] ^= lanes[i] >> 32;
    }
  }
  std::uint64_t hash = 0;
  for (const std::uint64_t lane : lanes) hash = mix(hash ^ lane);
  for (const char c : bytes) hash = mix(hash ^ static_cast<unsigned char>(c));
  return hash;
}

std::uint64_t thousandths_of(std::uint64_t part, std::uint64_t all) {
  return all == 0 ? 0 : (part * 1000 + all / 2) / all;
}

/// Whether the decoded bytes and the length of the first line, if it is a line's, give the part again.
bool is_regular(std::string_view encoded, const std::string& decoded) {
  constexpr std::size_t kLongestLine = 80;
  const std::size_t width = std::min(encoded.find('\n'), encoded.size());
  if (width == 0 || width > kLongestLine) return false;
  std::string again;
  append_base64(again, decoded, width);
  return again == encoded;
}

}  // namespace

void Figures::Unique::count(std::string_view bytes, std::uint64_t times) {
  seen.emplace_back(digest(bytes), bytes.size());
  all_bytes += bytes.size() * times;
}

void Figures::Unique::add(const Unique& other) {
  seen.insert(seen.end(), other.seen.begin(), other.seen.end());
  all_bytes += other.all_bytes;
}

std::uint64_t Figures::Unique::thousandths() {
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  std::uint64_t bytes = 0;
  for (const auto& one : seen) bytes += one.second;
  return thousandths_of(bytes, all_bytes);
}

void Figures::count_mail(const Mail& mail, std::size_t bytes) {
  sizes_.push_back(bytes);
  header_bytes_ += bytes - mail.message.size() + mail.own_header_bytes;
  multipart_ += mail.multipart;
  for (const Part& part : mail.parts) {
    if (part.attachment) attachment_bytes_ += part.end - part.begin;
    if (!part.base64) continue;
    base64_parts_++;
    irregular_ +=
        !is_regular(std::string_view(mail.message).substr(part.begin, part.end - part.begin), part.decoded);
  }
}

void Figures::count_message(std::string_view file) {
  messages_++;
  message_bytes_ += file.size();
  files_.count(file);
}

void Figures::count_parts(const Mail& mail, std::uint64_t files) {
  for (const Part& part : mail.parts) {
    const std::string_view encoded = std::string_view(mail.message).substr(part.begin, part.end - part.begin);
    encoded_.count(encoded, files);
    decoded_.count(part.base64 ? part.decoded : encoded, files);
  }
}

void Figures::add(const Figures& other) {
  sizes_.insert(sizes_.end(), other.sizes_.begin(), other.sizes_.end());
  header_bytes_ += other.header_bytes_;
  attachment_bytes_ += other.attachment_bytes_;
  multipart_ += other.multipart_;
  irregular_ += other.irregular_;
  base64_parts_ += other.base64_parts_;
  messages_ += other.messages_;
  message_bytes_ += other.message_bytes_;
  files_.add(other.files_);
  encoded_.add(other.encoded_);
  decoded_.add(other.decoded_);
}

std::uint64_t Figures::quantile(std::uint64_t thousandths) const {
  return sizes_.empty() ? 0 : sizes_[(sizes_.size() - 1) * thousandths / 1000];
}

std::vector<std::pair<std::string, std::uint64_t>> Figures::of_mails() {
  std::sort(sizes_.begin(), sizes_.end());
  const std::uint64_t bytes = std::accumulate(sizes_.begin(), sizes_.end(), std::uint64_t{0});
  const std::uint64_t largest = std::accumulate(
      sizes_.end() - static_cast<std::ptrdiff_t>(sizes_.size() / 100), sizes_.end(), std::uint64_t{0});
  const std::uint64_t header = thousandths_of(header_bytes_, bytes);
  const std::uint64_t attachment = thousandths_of(attachment_bytes_, bytes);
  return {{"mails", sizes_.size()},
          {"bytes", bytes},
          {"mean", sizes_.empty() ? 0 : bytes / sizes_.size()},
          {"p1", quantile(10)},
          {"p10", quantile(100)},
          {"p50", quantile(500)},
          {"p90", quantile(900)},
          {"p99", quantile(990)},
          {"p99.9", quantile(999)},
          {"header share", header},
          {"body share", 1000 - header - attachment},
          {"attachment share", attachment},
          {"share of the largest 1 %", thousandths_of(largest, bytes)},
          {"multipart share", thousandths_of(multipart_, sizes_.size())},
          {"base64 parts", base64_parts_},
          {"irregular base64 parts", irregular_}};
}

std::string Figures::text() {
  std::string out;
  const auto line = [&](const std::string& name, std::uint64_t value) {
    out += name + " " + std::to_string(value) + "\n";
  };
  for (const auto& [name, value] : of_mails()) line(name, value);
  line("messages", messages_);
  line("message bytes", message_bytes_);
  line("unique by whole file", files_.thousandths());
  line("unique by encoded part", encoded_.thousandths());
  line("unique by decoded part", decoded_.thousandths());
  return out;
}

std::vector<std::string> Figures::deviations(const Profile& profile) {
  std::vector<std::string> out;
  const auto found = of_mails();
  for (const Profile::Figure& figure : profile.figures) {
    const std::uint64_t value = std::find_if(found.begin(), found.end(), [&](const auto& one) {
                                  return one.first == figure.name;
                                })->second;
    const std::uint64_t percent = figure.name == "p99.9" ? 10 : figure.name == "p99" ? 5 : 2;
    const std::uint64_t off = value > figure.value ? value - figure.value : figure.value - value;
    if (off * 100 > figure.value * percent + figure.half_unit * 100)
      out.push_back(std::string(figure.name) + " is " + std::to_string(value) + ", the profile says " +
                    std::to_string(figure.value));
  }
  return out;
}

}  // namespace store
