#pragma once
// What every function of the C API does at its edge: no exception leaves, failures become codes and errors,
// structures of other versions are read and filled with care.

#include <restante/bytes.hpp>
#include <restante/status.hpp>
#include <restante/time.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>

#include "restante.h"

namespace restante::capi {

/// A structure that says it is longer than this was never initialised: none will grow that large.
inline constexpr std::uint32_t kMaxStructBytes = 4096;

/// The size that `T` had in the first version; shorter ones were never compiled. A structure that grows gets
/// a specialisation here with the size it had before.
template <class T>
inline constexpr std::uint32_t kFirstSize = sizeof(T);
template <>
inline constexpr std::uint32_t kFirstSize<restante_read_range> = offsetof(restante_read_range, from);
template <>
inline constexpr std::uint32_t kFirstSize<restante_redo_damage> = offsetof(restante_redo_damage, file);

[[nodiscard]] std::int32_t c_code(Code code) noexcept;
/// `Code::internal` for numbers that are no code of a failure.
[[nodiscard]] Code code_of(std::int32_t number) noexcept;

/// Gives a failure to the caller: its code, and in `*out_error` an error that the caller frees.
[[nodiscard]] std::int32_t answer(const Status& status, restante_error** out_error) noexcept;
[[nodiscard]] std::int32_t answer_no_memory(restante_error** out_error) noexcept;
[[nodiscard]] std::int32_t answer_exception(const char* what, restante_error** out_error) noexcept;

/// What a callback answered, as a status. Takes the callback's error over.
[[nodiscard]] Status status_of_callback(std::string_view callback, std::int32_t code, restante_error* error);

/// Runs `body`, which returns a Status, as the inside of a C function.
template <class Body>
[[nodiscard]] std::int32_t guarded(restante_error** out_error, Body&& body) noexcept {
  if (out_error != nullptr) *out_error = nullptr;
  try {
    return answer(body(), out_error);
  } catch (const std::bad_alloc&) {
    return answer_no_memory(out_error);
  } catch (const std::exception& exception) {
    return answer_exception(exception.what(), out_error);
  } catch (...) {
    return answer_exception("an exception that is none of the standard's", out_error);
  }
}

[[nodiscard]] Status invalid(std::string message);
/// `invalid_argument` if the pointer named `name` is null.
[[nodiscard]] Status require(const void* pointer, const char* name);

[[nodiscard]] Status copy_struct_in(const void* given, std::uint32_t first_size, std::uint32_t known_size,
                                    const char* type, void* out);
[[nodiscard]] Status copy_struct_out(void* given, std::uint32_t first_size, const void* filled,
                                     std::uint32_t known_size, const char* type);

/// Reads a caller's structure of whatever version; null leaves `out` at its defaults.
template <class T>
[[nodiscard]] Status read_struct(const T* given, const char* type, T& out) {
  static_assert(offsetof(T, struct_size) == 0);
  out = T{};
  out.struct_size = sizeof(T);
  if (given == nullptr) return {};
  return copy_struct_in(given, kFirstSize<T>, sizeof(T), type, &out);
}

/// Element `index` of an array whose stride is its first element's size.
template <class T>
[[nodiscard]] Status read_element(const T* first, std::size_t index, const char* type, T& out) {
  std::uint32_t stride = 0;
  std::memcpy(&stride, first, sizeof stride);
  const auto* element = reinterpret_cast<const T*>(reinterpret_cast<const char*>(first) + index * stride);
  std::uint32_t size = 0;
  std::memcpy(&size, element, sizeof size);
  if (size != stride) return invalid(std::string(type) + "s of one array have different struct_size");
  return read_struct(element, type, out);
}

/// Fills a caller's structure of whatever version.
template <class T>
[[nodiscard]] Status fill_struct(T* given, const char* type, const T& filled) {
  if (Status null = require(given, type); !null.ok()) return null;
  return copy_struct_out(given, kFirstSize<T>, &filled, sizeof(T), type);
}

/// `invalid_argument` for a view that has a size and no bytes.
[[nodiscard]] Status read_view(const restante_view& view, const char* name, std::string& out);
[[nodiscard]] Status read_view(const restante_view& view, const char* name, std::string_view& out);
[[nodiscard]] inline restante_view view_of(const std::string& text) noexcept {
  return {text.c_str(), text.size()};
}
/// "" for null.
[[nodiscard]] inline std::string text_or_empty(const char* text) { return text == nullptr ? "" : text; }
/// An array of `count` elements must have an address unless it is empty.
[[nodiscard]] Status check_array(const void* first, std::size_t count, const char* name);

/// What is added to instants inside must not overflow: nothing lasts more than a hundred years.
template <class Duration>
[[nodiscard]] Duration duration_of(std::uint64_t count) noexcept {
  constexpr auto kLongest = std::chrono::duration_cast<Duration>(std::chrono::hours(100 * 366 * 24)).count();
  return Duration(static_cast<std::int64_t>(std::min(count, static_cast<std::uint64_t>(kLongest))));
}

/// Tells a callback each element of a list, as `to_c` makes it, until it fails.
template <class List, class Each, class ToC>
[[nodiscard]] Status tell_each(const List& list, Each each, void* user_data, std::string_view callback,
                               ToC to_c) {
  if (each == nullptr) return invalid("each is NULL");
  for (const auto& element : list) {
    const auto told = to_c(element);
    restante_error* error = nullptr;
    const std::int32_t code = each(user_data, &told, &error);
    if (Status failed = status_of_callback(callback, code, error); !failed.ok()) return failed;
  }
  return {};
}

[[nodiscard]] inline restante_id c_id(const Id128& id) noexcept {
  restante_id out;
  std::copy(id.bytes.begin(), id.bytes.end(), out.bytes);
  return out;
}
[[nodiscard]] inline Id128 id_of(const restante_id& id) noexcept {
  Id128 out;
  std::copy(std::begin(id.bytes), std::end(id.bytes), out.bytes.begin());
  return out;
}

}  // namespace restante::capi
