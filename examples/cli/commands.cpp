#include "command.hpp"

namespace cli {

std::vector<std::unique_ptr<Command>> all_commands() {
  std::vector<std::unique_ptr<Command>> commands;
  for (const auto make :
       {make_init, make_backup, make_restore, make_query, make_abort, make_delete, make_verify, make_copy,
        make_rebuild, make_repair, make_scan, make_watch, make_export, make_import, make_keys, make_redo_dump,
        make_redo_verify, make_redo_replay, make_redo_stat})
    commands.push_back(make());
  return commands;
}

}  // namespace cli
