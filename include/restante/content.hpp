#pragma once
/// \file
/// The bytes of messages and items, as streams.

#include <cstdint>
#include <memory>
#include <string_view>

#include <restante/bytes.hpp>
#include <restante/status.hpp>

namespace restante {
inline namespace v0 {

/// Names content by its id and size. The bytes may be in a redo log, in a target's content store or in
/// the live store; the id says nothing about where.
struct ContentRef {
  Digest digest{};
  std::uint64_t size = 0;

  auto operator<=>(const ContentRef&) const = default;
};

/// Reads some content once, from its beginning. Used by one thread at a time; destroying it early is fine.
class ContentReader {
 public:
  virtual ~ContentReader() = default;
  /// Fills the beginning of `buffer` and returns how many bytes, 0 at the end only.
  /// A reader that can check what it reads answers `damaged` instead of the last bytes.
  [[nodiscard]] virtual Result<std::size_t> read(MutableByteView buffer) = 0;
};

/// Opens content by its id. Callable from any thread unless an implementation says otherwise.
class ContentOpener {
 public:
  virtual ~ContentOpener() = default;
  /// `not_found` when this opener does not have it.
  [[nodiscard]] virtual Result<std::unique_ptr<ContentReader>> open(const ContentRef& content) = 0;
};

/// Reads from memory that outlives the reader.
[[nodiscard]] std::unique_ptr<ContentReader> read_from_memory(ByteView bytes);
/// Reads from memory that the reader owns.
[[nodiscard]] std::unique_ptr<ContentReader> read_from_memory(Bytes bytes);
/// Everything that `reader` has left; `no_space` past `limit` bytes.
[[nodiscard]] Result<Bytes> read_all(ContentReader& reader, std::uint64_t limit = UINT64_MAX);
/// SHA-256 of `bytes`, the content id in a target without key.
[[nodiscard]] ContentRef content_ref_of(ByteView bytes);
/// Of all that `reader` has left; fails as it fails.
[[nodiscard]] Result<ContentRef> content_ref_of(ContentReader& reader);

}  // namespace v0
}  // namespace restante
