#pragma once
/// \file
/// Segments of a redo log that lie somewhere as files: copies, what was saved from a disk, a log that does
/// not open any more.
///
///     auto segments = RedoSegments::open({"/srv/old/redo-0000000007.log", "/srv/old/redo-0000000009.log"});
///     for (const auto& file : segments->left_out()) complain(file.path, file.why);
///     auto cursor = segments->read({.account_id = "alice"});
///     LoggedTransaction transaction;
///     for (;;) {
///       Result<bool> more = (*cursor)->next(transaction);      // says what is damaged or missing, and goes
///       on if (more.ok() && !*more) break; …
///     }
///
/// Nothing is written, no lock is taken, and nothing is left behind by a crash. Any subset of the segments of
/// one incarnation will do, in any order. What `open` found is what is seen: records that come later are not,
/// and a file that is removed, changed or cut short afterwards is damage. The segment that a living log
/// writes can be read up to what is in its file; `RedoLog` sees more.
///
/// **Threads.** Every method may be called from any thread; a cursor is used by one thread at a time.
///
/// Specified in docs/format/redo.md, "Reading and recovery".

#include <memory>
#include <string>
#include <vector>

#include <restante/redo_log.hpp>

namespace restante {
inline namespace v0 {

class RedoSegments {
 public:
  /// A file that is not among the segments, and why: it cannot be opened (`not_found`, `permission`, `io`);
  /// it is no segment, is cut short, or neither copy of its header is intact (`damaged`); it is of a newer
  /// version (`unsupported`); it is of another log or incarnation than most of the files, has the sequence of
  /// a file before it, has another sequence than its name says, or is not the one that the segment behind it
  /// continues (`diverged`).
  struct LeftOut {
    /// As it was given, or its name in the directory.
    std::string path{};
    /// From the header, else from the name; 0 if neither tells.
    std::uint64_t sequence = 0;
    std::uint64_t bytes = 0;
    Status why{};
  };

  /// Opens raw segments by their files, wherever they lie; links are followed. It reads headers and footers,
  /// and all of a segment that was not sealed. It succeeds whatever the files hold: see `left_out`.
  /// `invalid_argument` without any path.
  [[nodiscard]] static Result<RedoSegments> open(const std::vector<std::string>& paths);
  /// Opens all files of a directory that are named as segments. `not_found` if there is no such directory or
  /// no such file in it.
  [[nodiscard]] static Result<RedoSegments> open_directory(const std::string& directory);

  RedoSegments(const RedoSegments&) = default;
  RedoSegments& operator=(const RedoSegments&) = default;
  RedoSegments(RedoSegments&&) noexcept = default;
  RedoSegments& operator=(RedoSegments&&) noexcept = default;
  ~RedoSegments() = default;

  /// What the segments belong to; none if every file was left out.
  [[nodiscard]] Id128 server() const noexcept;
  [[nodiscard]] Id128 id() const noexcept;
  [[nodiscard]] Id128 incarnation() const noexcept;
  /// Oldest first.
  [[nodiscard]] std::vector<SegmentInfo> segments() const;
  [[nodiscard]] const std::vector<LeftOut>& left_out() const noexcept;

  /// As of `RedoLog`, with this difference: a cursor first answers `damaged` for each file that was left out,
  /// and `not_found` where segments are missing between two. `read` answers `not_found` too for a transaction
  /// that began in a segment which is not here. Calling again goes on.
  [[nodiscard]] Result<std::unique_ptr<TransactionCursor>> read(const ReadRange& range) const;
  [[nodiscard]] Result<std::unique_ptr<RedoLog::RecordCursor>> records(const ReadRange& range) const;
  /// `not_found` for content that does not lie whole in these segments.
  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(const ContentRef& content) const;
  /// As of `RedoLog`. Files that were left out and segments that are missing between two are damage; whether
  /// something is missing in front or behind cannot be known.
  [[nodiscard]] Result<LogVerification> verify(const RedoLog::VerifyOptions& options) const;
  [[nodiscard]] Result<LogVerification> verify() const { return verify(RedoLog::VerifyOptions{}); }

  struct Impl;

 private:
  explicit RedoSegments(std::shared_ptr<const Impl> impl) noexcept : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace v0
}  // namespace restante
