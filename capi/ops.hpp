#pragma once
// The list of operations behind `restante_ops`, and records as C gives them.

#include <restante/operation.hpp>

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "boundary.hpp"

namespace restante::capi {

/// The arrays that a filled C structure points to. Made when an element is read, kept until the list changes.
struct Arrays {
  std::vector<restante_view> keywords;
  std::vector<restante_view> tags;
  std::vector<restante_view> message_ids;
  std::vector<restante_attribute> attributes;
  std::vector<restante_viewer_flags> viewer_flags;
  restante_message_set messages{};
};

[[nodiscard]] Status account_from_c(const restante_account* given, Account& out);
[[nodiscard]] ContentRef content_from_c(const restante_content& content) noexcept;
[[nodiscard]] restante_content content_to_c(const ContentRef& content) noexcept;

}  // namespace restante::capi

struct restante_ops {
  std::vector<restante::Operation> own;
  /// What is read: `own`, or the operations of a transaction, which are lent as a constant list.
  const std::vector<restante::Operation>* operations = &own;
  /// By operation and element.
  mutable std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<restante::capi::Arrays>> arrays;
  mutable std::map<std::size_t, std::string> descriptions;

  void forget_reads() noexcept {
    arrays.clear();
    descriptions.clear();
  }
};
