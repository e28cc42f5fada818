#include "redo_source.hpp"

#include "failure.hpp"
#include "setup.hpp"

namespace cli {

RedoSource RedoSource::of_files(const std::vector<std::string>& files) {
  restante::RedoSegments segments = require(restante::RedoSegments::open(files));
  if (segments.segments().empty())
    fail(with_hint(segments.left_out().front().why,
                   "segments are files redo-N.log of a redo log's directory"));
  return RedoSource(std::move(segments));
}

}  // namespace cli
