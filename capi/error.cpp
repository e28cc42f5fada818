#include "boundary.hpp"

#include <cstdlib>

struct restante_error {
  std::int32_t code = RESTANTE_OK;
  std::string message;
  std::string hint;
};

namespace restante::capi {
namespace {

static_assert(RESTANTE_ERROR_INVALID_ARGUMENT == -static_cast<int>(Code::invalid_argument));
static_assert(RESTANTE_ERROR_NOT_FOUND == -static_cast<int>(Code::not_found));
static_assert(RESTANTE_ERROR_ALREADY_EXISTS == -static_cast<int>(Code::already_exists));
static_assert(RESTANTE_ERROR_BUSY == -static_cast<int>(Code::busy));
static_assert(RESTANTE_ERROR_NEEDS_RECOVERY == -static_cast<int>(Code::needs_recovery));
static_assert(RESTANTE_ERROR_AMBIGUOUS == -static_cast<int>(Code::ambiguous));
static_assert(RESTANTE_ERROR_NO_SPACE == -static_cast<int>(Code::no_space));
static_assert(RESTANTE_ERROR_PERMISSION == -static_cast<int>(Code::permission));
static_assert(RESTANTE_ERROR_IO == -static_cast<int>(Code::io));
static_assert(RESTANTE_ERROR_DAMAGED == -static_cast<int>(Code::damaged));
static_assert(RESTANTE_ERROR_DIVERGED == -static_cast<int>(Code::diverged));
static_assert(RESTANTE_ERROR_UNSUPPORTED == -static_cast<int>(Code::unsupported));
static_assert(RESTANTE_ERROR_NOT_DURABLE == -static_cast<int>(Code::not_durable));
static_assert(RESTANTE_ERROR_POISONED == -static_cast<int>(Code::poisoned));
static_assert(RESTANTE_ERROR_TIMED_OUT == -static_cast<int>(Code::timed_out));
static_assert(RESTANTE_ERROR_CANCELLED == -static_cast<int>(Code::cancelled));
static_assert(RESTANTE_ERROR_PARTIAL == -static_cast<int>(Code::partial));
static_assert(RESTANTE_ERROR_RESTORE_UNFINISHED == -static_cast<int>(Code::restore_unfinished));
static_assert(RESTANTE_ERROR_INTERNAL == -static_cast<int>(Code::internal));
static_assert(RESTANTE_ERROR_NO_MEMORY == -static_cast<int>(Code::no_memory));

constexpr std::int32_t kLastCode = RESTANTE_ERROR_NO_MEMORY;

bool is_code(std::int32_t number) noexcept { return number <= RESTANTE_OK && number >= kLastCode; }

/// The one error that needs no memory: its text fits into the string itself. It is never freed.
restante_error* no_memory_error() noexcept {
  static restante_error error{RESTANTE_ERROR_NO_MEMORY, "out of memory", {}};
  return &error;
}

restante_error* make_error(const Status& status) noexcept {
  try {
    return new restante_error{c_code(status.code()), status.message(), status.hint()};
  } catch (...) {
    return no_memory_error();
  }
}

bool all_zero(const unsigned char* bytes, std::size_t size) {
  return std::all_of(bytes, bytes + size, [](unsigned char byte) { return byte == 0; });
}

Status check_struct_size(std::uint32_t size, std::uint32_t first_size, const char* type) {
  if (size >= first_size && size <= kMaxStructBytes) return {};
  return Status(Code::invalid_argument,
                std::string(type) + ".struct_size is " + std::to_string(size) + ", not the size of one",
                std::string("set it to sizeof(") + type + ")");
}

}  // namespace

std::int32_t c_code(Code code) noexcept { return -static_cast<std::int32_t>(code); }

Code code_of(std::int32_t number) noexcept {
  return is_code(number) && number != RESTANTE_OK ? static_cast<Code>(-number) : Code::internal;
}

std::int32_t answer(const Status& status, restante_error** out_error) noexcept {
  if (status.ok()) return RESTANTE_OK;
  if (out_error != nullptr) *out_error = make_error(status);
  return c_code(status.code());
}

std::int32_t answer_no_memory(restante_error** out_error) noexcept {
  if (out_error != nullptr) *out_error = no_memory_error();
  return RESTANTE_ERROR_NO_MEMORY;
}

std::int32_t answer_exception(const char* what, restante_error** out_error) noexcept {
  try {
    return answer(Status(Code::internal, std::string("a defect of restante: ") + what), out_error);
  } catch (...) {
    return answer_no_memory(out_error);
  }
}

Status status_of_callback(std::string_view callback, std::int32_t code, restante_error* error) {
  std::string message = error == nullptr ? "" : error->message;
  std::string hint = error == nullptr ? "" : error->hint;
  restante_error_free(error);
  if (code == RESTANTE_OK) return {};
  if (!is_code(code)) {
    return Status(Code::internal, std::string("the host's ") + std::string(callback) + " answered " +
                                      std::to_string(code) + ", which is no code of restante");
  }
  const Code named = code_of(code);
  if (message.empty()) {
    message = std::string("the host's ") + std::string(callback) + " failed with " +
              std::string(name_of(named)) + " and gave no reason";
  }
  return Status(named, std::move(message), std::move(hint));
}

Status invalid(std::string message) { return Status(Code::invalid_argument, std::move(message)); }

Status require(const void* pointer, const char* name) {
  return pointer != nullptr ? Status() : invalid(std::string(name) + " is NULL");
}

Status copy_struct_in(const void* given, std::uint32_t first_size, std::uint32_t known_size, const char* type,
                      void* out) {
  std::uint32_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (Status wrong = check_struct_size(size, first_size, type); !wrong.ok()) return wrong;
  const auto* bytes = static_cast<const unsigned char*>(given);
  if (size > known_size && !all_zero(bytes + known_size, size - known_size)) {
    return Status(Code::unsupported,
                  std::string(type) + " has members that restante " + restante_version() + " does not know",
                  "install the version of restante that the program was built for, or leave them zero");
  }
  std::memcpy(out, given, std::min(size, known_size));
  std::memcpy(out, &known_size, sizeof known_size);
  return {};
}

Status copy_struct_out(void* given, std::uint32_t first_size, const void* filled, std::uint32_t known_size,
                       const char* type) {
  std::uint32_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (Status wrong = check_struct_size(size, first_size, type); !wrong.ok()) return wrong;
  std::memset(given, 0, size);
  std::memcpy(given, filled, std::min(size, known_size));
  std::memcpy(given, &size, sizeof size);
  return {};
}

Status read_view(const restante_view& view, const char* name, std::string_view& out) {
  if (view.data == nullptr && view.size != 0) return invalid(std::string(name) + " has a size and no bytes");
  out = view.size == 0 ? std::string_view() : std::string_view(view.data, view.size);
  return {};
}

Status read_view(const restante_view& view, const char* name, std::string& out) {
  std::string_view text;
  if (Status wrong = read_view(view, name, text); !wrong.ok()) return wrong;
  out.assign(text);
  return {};
}

Status check_array(const void* first, std::size_t count, const char* name) {
  if (first != nullptr || count == 0) return {};
  return invalid(std::string(name) + " has a count and no elements");
}

}  // namespace restante::capi

using namespace restante;

const char* restante_version(void) {
#define RESTANTE_TEXT_OF(number) #number
#define RESTANTE_DOTTED(major, minor, patch) \
  RESTANTE_TEXT_OF(major) "." RESTANTE_TEXT_OF(minor) "." RESTANTE_TEXT_OF(patch)
  return RESTANTE_DOTTED(RESTANTE_VERSION_MAJOR, RESTANTE_VERSION_MINOR, RESTANTE_VERSION_PATCH);
}

restante_view restante_view_of(const char* text) { return {text, text == nullptr ? 0 : std::strlen(text)}; }

const char* restante_code_name(std::int32_t code) {
  // The names are literals, so their data ends in a NUL.
  return capi::is_code(code) ? name_of(static_cast<Code>(-code)).data() : "unknown";
}

std::uint32_t restante_code_advice(std::int32_t code) {
  if (!capi::is_code(code)) return RESTANTE_ADVICE_CALL_PERSON;
  switch (advice_for(static_cast<Code>(-code))) {
    case Advice::none: return RESTANTE_ADVICE_NONE;
    case Advice::retry_call: return RESTANTE_ADVICE_RETRY_CALL;
    case Advice::retry_session: return RESTANTE_ADVICE_RETRY_SESSION;
    case Advice::fix_argument: return RESTANTE_ADVICE_FIX_ARGUMENT;
    case Advice::call_person: return RESTANTE_ADVICE_CALL_PERSON;
  }
  return RESTANTE_ADVICE_CALL_PERSON;
}

restante_error* restante_error_new(std::int32_t code, const char* message, const char* hint) {
  try {
    return new restante_error{capi::c_code(capi::code_of(code)), capi::text_or_empty(message),
                              capi::text_or_empty(hint)};
  } catch (...) {
    return capi::no_memory_error();
  }
}

std::int32_t restante_error_code(const restante_error* error) {
  return error == nullptr ? static_cast<std::int32_t>(RESTANTE_OK) : error->code;
}

const char* restante_error_message(const restante_error* error) {
  return error == nullptr ? "" : error->message.c_str();
}

const char* restante_error_hint(const restante_error* error) {
  return error == nullptr ? "" : error->hint.c_str();
}

void restante_error_free(restante_error* error) {
  if (error != capi::no_memory_error()) delete error;
}
