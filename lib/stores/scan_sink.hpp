#pragma once
// A sink for operations that name folders as the scanner does.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <restante/mail_sink.hpp>

namespace restante::stores {

/// Ids of the log -> ids of the store, of an account, where they differ.
using StoreIds = std::function<std::map<std::string, std::string>(const std::string& account_id)>;

/// Hands operations on to `store` with ids of the store in them, and outcomes back with ids of the log. The
/// id that the store gives a folder that it makes is kept back: the next scan finds the folder by its path,
/// and the log goes on with the id that it knows.
[[nodiscard]] std::unique_ptr<MailSink> sink_with_ids(MailSink& store, StoreIds ids);

}  // namespace restante::stores
