#pragma once
/// \file
/// Everything.

#include <restante/archive.hpp>
#include <restante/backup_target.hpp>
#include <restante/keys.hpp>
#include <restante/maildir.hpp>
#include <restante/redo_segments.hpp>
#include <restante/repair.hpp>
#include <restante/restore_plan.hpp>
#include <restante/runtime.hpp>
#include <restante/scanner.hpp>
#include <restante/schedule.hpp>
#include <restante/session.hpp>
#include <restante/state_digest.hpp>
#include <restante/store_comparison.hpp>
#include <restante/watcher.hpp>
