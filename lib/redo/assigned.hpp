#pragma once
// What a server assigned to, or refused of, the operations of a transaction (R6).

#include <restante/redo_log.hpp>

#include <cstdint>
#include <span>

namespace restante::redo {

/// How many elements of an operation can be assigned something or refused: its messages, the members of its
/// set (UIDs first, then message ids), else 1.
[[nodiscard]] std::uint32_t element_count(const Operation& operation) noexcept;

/// `invalid_argument` unless every entry names an element and assigns only what such an element has.
[[nodiscard]] Status check_assigned(std::span<const Operation> operations,
                                    std::span<const Assigned> assigned);

/// Room for the end record of a transaction with these operations (R10).
[[nodiscard]] std::uint64_t end_record_room(std::span<const Operation> operations) noexcept;

}  // namespace restante::redo
