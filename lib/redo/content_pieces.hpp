#pragma once
// Content out of the pieces that a raw log has of it.

#include <restante/content.hpp>

#include <memory>

#include "redo/raw_segment.hpp"

namespace restante::redo {

/// Reads the content whose last piece is at `place` in `last`; pieces before it are looked up in `all`.
/// `not_found` if one of their segments is not among them or is not raw, `damaged` if a piece cannot be read.
/// The reader checks the digest and answers `damaged` instead of the last piece if it is wrong.
[[nodiscard]] Result<std::unique_ptr<ContentReader>> read_pieces(std::shared_ptr<const RawSegment> last,
                                                                 const ContentPlace& place,
                                                                 const SegmentViews& all);

}  // namespace restante::redo
