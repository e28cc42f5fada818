#include "segment_files.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "failure.hpp"
#include "setup.hpp"
#include "text.hpp"

namespace cli {
namespace {

namespace fs = std::filesystem;
using restante::Code;
using restante::Status;

constexpr std::string_view kPrefix = "redo-";
constexpr std::string_view kSuffix = ".log";

/// The sequence that a segment's name tells.
std::optional<std::uint64_t> sequence_of(const std::string& name) {
  const std::string_view text = name;
  if (!text.starts_with(kPrefix) || !text.ends_with(kSuffix)) return std::nullopt;
  const std::string_view digits = text.substr(kPrefix.size(), text.size() - kPrefix.size() - kSuffix.size());
  std::uint64_t sequence = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), sequence);
  if (digits.empty() || result.ec != std::errc() || result.ptr != digits.data() + digits.size())
    return std::nullopt;
  return sequence;
}

std::string make_directory() {
  std::error_code error;
  const fs::path temporary = fs::temp_directory_path(error);
  std::string name = (error ? fs::path("/tmp") : temporary) / "restante-segments-XXXXXX";
  if (mkdtemp(name.data()) == nullptr)
    fail(Status(Code::io, fmt::format("cannot make a directory {}", printable(name)),
                "TMPDIR names the place for it"));
  return name;
}

}  // namespace

SegmentFiles::SegmentFiles(const std::vector<std::string>& files) {
  try {
    for (const std::string& file : files) add(file);
  } catch (...) {
    std::error_code ignored;
    if (!directory_.empty()) fs::remove_all(directory_, ignored);
    throw;
  }
}

SegmentFiles::~SegmentFiles() {
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

void SegmentFiles::add(const std::string& file) {
  std::error_code error;
  if (!fs::exists(file, error))
    fail(Status(Code::not_found, fmt::format("No such file: {}", printable(file)),
                "segments are files redo-N.log of a redo log's directory"));
  const std::string name = fs::path(file).filename();
  const std::optional<std::uint64_t> sequence = sequence_of(name);
  if (!sequence || !fs::is_regular_file(file, error))
    fail(Status(Code::invalid_argument, fmt::format("{} is no segment of a redo log", printable(file)),
                "segments are files redo-N.log of a redo log's directory"));
  if (directory_.empty()) directory_ = make_directory();
  if (!sequences_.insert(*sequence).second)
    fail_usage(fmt::format("{}: sequence {} is given twice", printable(file), *sequence));
  if (!fs::copy_file(file, directory_ + "/" + name, error))
    fail(Status(Code::io, fmt::format("cannot copy {}: {}", printable(file), error.message()),
                "it is read from a copy; TMPDIR names the place for it"));
}

restante::RedoLog SegmentFiles::open() const {
  restante::RedoLog::Options options;
  options.holder = "restante redo dump";
  auto log = restante::RedoLog::open(directory_, options);
  if (log.ok()) return std::move(log).value();
  fail(with_hint(log.status(),
                 "the files must be a copy of a redo log up to its newest segment, without a hole"));
}

}  // namespace cli
