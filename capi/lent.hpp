#pragma once
// What the cursors of the redo log hand out, one element at a time.

#include <restante/redo_log.hpp>

#include "boundary.hpp"
#include "ops.hpp"

namespace restante::capi {

/// The element that was handed out last, with its operations lent to readers.
template <class T>
struct Lent {
  Lent() { ops.operations = &value.operations; }
  Lent(const Lent&) = delete;
  Lent& operator=(const Lent&) = delete;

  T value;
  /// It could not be handed out: the next call has it.
  bool is_pending = false;
  restante_ops ops;
};

/// Takes the next element of `source` and fills the caller's structure with what `to_c` makes of it.
template <class Source, class T, class CStruct, class ToC>
[[nodiscard]] Status lend_next(Source& source, Lent<T>& lent, CStruct* out, const char* type,
                               std::uint32_t* out_more, ToC to_c) {
  if (Status null = require(out, type); !null.ok()) return null;
  if (Status null = require(out_more, "out_more"); !null.ok()) return null;
  if (!lent.is_pending) {
    lent.ops.forget_reads();
    const Result<bool> more = source.next(lent.value);
    if (!more.ok()) return more.status();
    lent.is_pending = *more;
  }
  if (lent.is_pending) {
    if (Status wrong = fill_struct(out, type, to_c(lent)); !wrong.ok()) return wrong;
  }
  *out_more = lent.is_pending ? 1 : 0;
  lent.is_pending = false;
  return {};
}

/// The members in which structures of the log tell where a change came from.
template <class CStruct>
void fill_origin(const Origin& origin, CStruct& out) noexcept {
  out.origin_client = view_of(origin.client);
  out.origin_session = view_of(origin.session);
  out.origin_address = view_of(origin.address);
}

}  // namespace restante::capi
