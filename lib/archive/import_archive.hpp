#pragma once
// What an ImportArchive holds.

#include <restante/archive.hpp>

#include "archive/mailboxes.hpp"

namespace restante {

inline namespace v0 {

struct ImportArchive::Impl {
  explicit Impl(archive::Spool made) : spool(std::move(made)), contents(spool) {}

  archive::Spool spool;
  archive::SpoolContents contents;
  std::vector<archive::FoundMailbox> found;
  std::vector<ArchivedMailbox> summaries;
  std::vector<std::string> notes;
};

}  // namespace v0
}  // namespace restante
