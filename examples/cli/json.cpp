#include "json.hpp"

#include "names.hpp"
#include "text.hpp"

namespace cli {
namespace {

Json json_of_counts(const restante::DifferenceCounts& counts) {
  return {{"added", counts.added},
          {"removed", counts.removed},
          {"flags_changed", counts.flags_changed},
          {"changed", counts.changed},
          {"unchanged", counts.unchanged}};
}

Json json_of_folder(const restante::FolderDifference& folder) {
  return {{"folder_id", json_text(folder.folder_id)},
          {"path", json_text(folder.path)},
          {"old_path", json_text_or_null(folder.old_path)},
          {"created", folder.created},
          {"deleted", folder.deleted},
          {"properties_changed", folder.properties_changed},
          {"counters_changed", folder.counters_changed},
          {"messages", json_of_counts(folder.messages)}};
}

Json json_of_account(const restante::SessionAccount& account) {
  return {{"id", json_text(account.id)},
          {"address", json_text(account.address)},
          {"status", restante::name_of(account.status)},
          {"error", json_text_or_null(account.error)},
          {"full", account.full},
          {"deleted", account.deleted},
          {"consistent_at", account.consistent_at},
          {"messages", account.messages},
          {"bytes", account.bytes}};
}

Json json_of_step(const restante::RestoreStep& step) {
  Json out{{"what", name_of(step.what)}};
  if (step.what == restante::RestoreStep::What::full) {
    out["label"] = step.label;
  } else {
    out["sequence"] = step.sequence;
    out["incarnation"] = step.incarnation.to_string();
  }
  return out;
}

template <class Element>
Json json_list(const std::vector<Element>& list, Json (*json_of_one)(const Element&)) {
  Json out = Json::array();
  for (const Element& element : list) out.push_back(json_of_one(element));
  return out;
}

Json json_texts(const std::vector<std::string>& texts) {
  Json out = Json::array();
  for (const std::string& text : texts) out.push_back(json_text(text));
  return out;
}

Json json_of_origin(const restante::Origin& origin) {
  return {{"client", json_text_or_null(origin.client)},
          {"session", json_text_or_null(origin.session)},
          {"address", json_text_or_null(origin.address)}};
}

Json json_id(const restante::Id128& id) { return id.is_none() ? Json(nullptr) : Json(id.to_string()); }

}  // namespace

Json json_text(std::string_view text) { return printable(text); }

Json json_text_or_null(std::string_view text) { return text.empty() ? Json(nullptr) : json_text(text); }

Json json_time(restante::Time time) { return time.to_string(); }

Json json_time(const std::optional<restante::Time>& time) { return time ? json_time(*time) : Json(nullptr); }

Json json_of(const restante::Status& status) {
  if (status.ok()) return nullptr;
  return {{"code", restante::name_of(status.code())},
          {"message", json_text(status.message())},
          {"hint", json_text_or_null(status.hint())}};
}

Json json_of(const restante::Progress& progress) {
  return {{"account_id", json_text_or_null(progress.account_id)},
          {"accounts_done", progress.accounts_done},
          {"accounts_total", progress.accounts_total},
          {"messages_done", progress.messages_done},
          {"messages_total", progress.messages_total},
          {"bytes_done", progress.bytes_done},
          {"bytes_new", progress.bytes_new}};
}

Json json_of(const restante::LogPosition& position) {
  return {
      {"log", json_id(position.log)}, {"incarnation", json_id(position.incarnation)}, {"lsn", position.lsn}};
}

Json json_of(const restante::SessionInfo& session) {
  const bool ended = session.status != restante::SessionStatus::running &&
                     session.status != restante::SessionStatus::interrupted;
  Json out{{"label", session.label},
           {"type", restante::name_of(session.type)},
           {"status", restante::name_of(session.status)},
           {"server", json_id(session.server)},
           {"server_name", json_text(session.server_name)},
           {"began", json_time(session.began)},
           {"ended", ended ? json_time(session.ended) : Json(nullptr)},
           {"error", json_text_or_null(session.error)},
           {"position", json_of(session.position)}};
  const bool archived = session.last_sequence != 0;
  out["first_sequence"] = archived ? Json(session.first_sequence) : Json(nullptr);
  out["last_sequence"] = archived ? Json(session.last_sequence) : Json(nullptr);
  out["bytes_read"] = session.bytes_read;
  out["bytes_stored"] = session.bytes_stored;
  out["owner"] = json_text_or_null(session.owner);
  out["progress"] = session.progress ? json_of(*session.progress) : Json(nullptr);
  out["accounts"] = json_list(session.accounts, json_of_account);
  return out;
}

Json json_of(const restante::DifferenceSummary& difference) {
  return {{"none", difference.none()},
          {"account_changed", difference.account_changed},
          {"messages", json_of_counts(difference.messages)},
          {"items", json_of_counts(difference.items)},
          {"folders", json_list(difference.folders, json_of_folder)},
          {"host_operations", difference.host_operations},
          {"host_operations_left", difference.host_operations_left}};
}

Json json_of(const restante::AccountPlan& plan) {
  return {{"account_id", json_text(plan.account_id)},
          {"address", json_text(plan.address)},
          {"into_id", json_text(plan.into_id)},
          {"into_address", json_text(plan.into_address)},
          {"creates_account", plan.creates_account},
          {"deleted_at_stop", plan.deleted_at_stop},
          {"identity", name_of(plan.identity)},
          {"continuity", name_of(plan.continuity)},
          {"identity_reason", json_text(plan.identity_reason)},
          {"steps", json_list(plan.steps, json_of_step)},
          {"position", json_of(plan.position)},
          {"effective_time", json_time(plan.effective_time)},
          {"transactions_replayed", plan.transactions_replayed},
          {"rolled_forward", plan.rolled_forward},
          {"messages", plan.messages},
          {"bytes", plan.bytes},
          {"bytes_to_write", plan.bytes_to_write},
          {"difference", json_of(plan.difference)},
          {"warnings", json_texts(plan.warnings)},
          {"failure", json_of(plan.failure)}};
}

Json json_of(const restante::AccountReport& report) {
  return {{"account_id", json_text(report.account_id)},
          {"into_id", json_text(report.into_id)},
          {"created", report.created},
          {"changed", report.changed},
          {"removed", report.removed},
          {"kept", report.kept},
          {"refused", json_texts(report.refused)},
          {"logged_at", report.logged_at == 0 ? Json(nullptr) : Json(report.logged_at)},
          {"planned_again", report.planned_again ? json_of(*report.planned_again) : Json(nullptr)},
          {"failure", json_of(report.status)}};
}

Json json_of(const restante::RecordInfo& record) {
  Json out{{"lsn", record.lsn},
           {"sequence", record.sequence},
           {"offset", record.offset},
           {"bytes", record.bytes},
           {"kind", record.kind},
           {"account_id", json_text_or_null(record.account_id)},
           {"transaction", record.transaction == 0 ? Json(nullptr) : Json(record.transaction)},
           {"durable_lsn", record.durable_lsn},
           {"wall_time", json_time(record.wall_time)},
           {"commit_time", json_time(record.commit_time)},
           {"origin", json_of_origin(record.origin)},
           {"operation_count", record.operations.size()},
           {"content", nullptr}};
  if (record.content)
    out["content"] = Json{{"digest", record.content->digest.to_string()}, {"size", record.content->size}};
  return out;
}

}  // namespace cli
