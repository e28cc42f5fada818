// What is derived, made again from what it is derived of.

#include "target/target_impl.hpp"

namespace restante {
inline namespace v0 {

Result<BackupTarget::Rebuilding> BackupTarget::rebuild() {
  {
    // What was read before may be other now.
    const std::scoped_lock lock(impl_->mutex);
    impl_->published.clear();
    impl_->archived.clear();
  }
  Rebuilding done;
  const Result<content::CatalogCounts> counts = impl_->content->rebuild();
  if (!counts.ok()) return counts.status();
  done.packs = counts->packs;
  done.parts = counts->parts;
  for (const content::PackWarning& pack : counts->unreadable)
    done.damages.push_back({pack.pack_key, pack.what, {}});

  const Result<bool> changed = target::rewrite_accounts(*impl_);
  if (!changed.ok()) return changed.status();
  done.accounts_changed = *changed;
  std::vector<target::UnreadableSession> unreadable;
  const Result<std::vector<target::RecordPointer>> sessions = target::published_sessions(*impl_, &unreadable);
  if (!sessions.ok()) return sessions.status();
  done.sessions = sessions->size();
  for (const target::UnreadableSession& session : unreadable)
    done.damages.push_back({target::session_prefix(session.label) + std::string(target::kSessionFile),
                            session.why.message(),
                            {"the whole session"}});
  const Result<std::vector<TargetAccount>> all = accounts();
  if (!all.ok()) return all.status();
  done.accounts = all->size();
  return done;
}

}  // namespace v0
}  // namespace restante
