// A mail store that is a table of callbacks.

#include "handles.hpp"

struct restante_account_sink {
  const restante::AccountFunction& each;
  /// What `each` answered first; a callback that goes on regardless does not hide it.
  restante::Status failure;
};

struct restante_op_sink {
  restante::OpSink& out;
  restante::Status failure;
  restante::SnapshotInfo info;
  bool is_snapshot = false;
};

struct restante_content_reply {
  std::unique_ptr<restante::ContentReader> reader;
};

namespace restante::capi {
namespace {

constexpr bool same(std::uint32_t number, Field field) { return number == static_cast<std::uint32_t>(field); }

static_assert(same(RESTANTE_FIELD_UID, Field::uid));
static_assert(same(RESTANTE_FIELD_UIDNEXT, Field::uidnext));
static_assert(same(RESTANTE_FIELD_MODSEQ, Field::modseq));
static_assert(same(RESTANTE_FIELD_EMAIL_ID, Field::email_id));
static_assert(same(RESTANTE_FIELD_THREAD_ID, Field::thread_id));
static_assert(same(RESTANTE_FIELD_INTERNAL_DATE, Field::internal_date));
static_assert(same(RESTANTE_FIELD_SAVE_DATE, Field::save_date));
static_assert(same(RESTANTE_FIELD_KEYWORDS, Field::keywords));
static_assert(same(RESTANTE_FIELD_TAGS, Field::tags));
static_assert(same(RESTANTE_FIELD_VIEWER_FLAGS, Field::viewer_flags));
static_assert(same(RESTANTE_FIELD_ATTRIBUTES, Field::attributes));
static_assert(same(RESTANTE_FIELD_SPECIAL_USE, Field::special_use));
static_assert(same(RESTANTE_FIELD_ITEMS, Field::items));
static_assert(same(RESTANTE_FIELD_MESSAGE_ID, Field::message_id));

/// The callbacks get views of text that ends in a NUL, so ids are copied where they may not.
class CallbackSource final : public MailSource {
 public:
  explicit CallbackSource(const restante_source_vtable& vtable) noexcept : host_(vtable) {}
  ~CallbackSource() override {
    if (host_.release != nullptr) host_.release(host_.user_data);
  }
  CallbackSource(const CallbackSource&) = delete;
  CallbackSource& operator=(const CallbackSource&) = delete;

  [[nodiscard]] FieldSet fields() const override { return FieldSet::from_bits(host_.fields); }
  [[nodiscard]] bool can_suspend() const override { return host_.suspend != nullptr; }

  [[nodiscard]] Status list_accounts(const AccountFunction& each) override {
    restante_account_sink sink{each, {}};
    Status answered = call("list_accounts callback", [&](restante_error** error) {
      return host_.list_accounts(host_.user_data, &sink, error);
    });
    return sink.failure.ok() ? answered : sink.failure;
  }

  [[nodiscard]] Result<SnapshotInfo> snapshot(std::string_view account_id, OpSink& out) override {
    restante_op_sink sink{out, {}, {}, true};
    Status answered = call_for(account_id, "snapshot callback", [&](auto* id, restante_error** error) {
      return host_.snapshot(host_.user_data, id, &sink, error);
    });
    if (!sink.failure.ok()) return sink.failure;
    if (!answered.ok()) return answered;
    return sink.info;
  }

  [[nodiscard]] Result<std::unique_ptr<ContentReader>> open_content(std::string_view account_id,
                                                                    const ContentPlace& place) override {
    const restante_content_place c_place = place_to_c(place);
    restante_content_reply reply;
    Status answered = call_for(account_id, "open_content callback", [&](auto* id, restante_error** error) {
      return host_.open_content(host_.user_data, id, &c_place, &reply, error);
    });
    if (!answered.ok()) return answered;
    if (reply.reader == nullptr) {
      return Status(Code::internal, "the host's open_content callback succeeded without a reply");
    }
    return std::move(reply.reader);
  }

  [[nodiscard]] Status server_data(OpSink& out) override {
    if (host_.server_data == nullptr) return {};
    restante_op_sink sink{out, {}, {}, false};
    Status answered = call("server_data callback", [&](restante_error** error) {
      return host_.server_data(host_.user_data, &sink, error);
    });
    return sink.failure.ok() ? answered : sink.failure;
  }

  [[nodiscard]] Status barrier(std::string_view account_id) override {
    return optional_call(host_.barrier, account_id, "barrier callback");
  }
  [[nodiscard]] Status suspend(std::string_view account_id) override {
    return optional_call(host_.suspend, account_id, "suspend callback");
  }
  [[nodiscard]] Status resume(std::string_view account_id) override {
    return optional_call(host_.resume, account_id, "resume callback");
  }

 private:
  using AccountCallback = std::int32_t (*)(void*, const restante_view*, restante_error**);

  template <class Callback>
  static Status call(std::string_view name, Callback&& callback) {
    restante_error* error = nullptr;
    const std::int32_t code = callback(&error);
    return status_of_callback(name, code, error);
  }

  template <class Callback>
  static Status call_for(std::string_view account_id, std::string_view name, Callback&& callback) {
    const std::string terminated(account_id);
    const restante_view id = view_of(terminated);
    return call(name, [&](restante_error** error) { return callback(&id, error); });
  }

  Status optional_call(AccountCallback callback, std::string_view account_id, std::string_view name) {
    if (callback == nullptr) return {};
    return call_for(account_id, name,
                    [&](auto* id, restante_error** error) { return callback(host_.user_data, id, error); });
  }

  static restante_content_place place_to_c(const ContentPlace& place) {
    restante_content_place out{};
    out.struct_size = sizeof out;
    out.folder_id = view_of(place.folder_id);
    out.message_id = view_of(place.message_id);
    out.item_kind = view_of(place.item_kind);
    out.item_id = view_of(place.item_id);
    out.uid = place.uid;
    if (place.content) {
      out.present = RESTANTE_HAS_CONTENT;
      out.content = content_to_c(*place.content);
    }
    return out;
  }

  restante_source_vtable host_;
};

Status check_table(const restante_source_vtable& table) {
  const auto missing = [](const char* name) {
    return invalid(std::string("restante_source_vtable: ") + name + " is NULL");
  };
  if (table.list_accounts == nullptr) return missing("list_accounts");
  if (table.snapshot == nullptr) return missing("snapshot");
  if (table.open_content == nullptr) return missing("open_content");
  if ((table.suspend == nullptr) != (table.resume == nullptr)) {
    return invalid("restante_source_vtable: suspend and resume come together");
  }
  if ((table.fields & ~FieldSet::all().bits()) != 0) {
    return Status(Code::unsupported, "restante_source_vtable: fields has a bit that is not known");
  }
  return {};
}

Status put_all(restante_op_sink& sink, std::vector<Operation>& operations) {
  for (Operation& operation : operations) {
    if (Status failed = sink.out.put(std::move(operation)); !failed.ok()) return failed;
  }
  return {};
}

Status check_unanswered(const restante_content_reply* reply) {
  if (Status null = require(reply, "reply"); !null.ok()) return null;
  return reply->reader == nullptr ? Status() : invalid("open_content has been answered already");
}

}  // namespace
}  // namespace restante::capi

using namespace restante;
using namespace restante::capi;

std::int32_t restante_source_new(const restante_source_vtable* vtable, restante_source** out_source,
                                 restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(vtable, "vtable"); !null.ok()) return null;
    if (Status null = require(out_source, "out_source"); !null.ok()) return null;
    restante_source_vtable table;
    if (Status wrong = read_struct(vtable, "restante_source_vtable", table); !wrong.ok()) return wrong;
    if (Status wrong = check_table(table); !wrong.ok()) return wrong;
    auto handle = std::make_unique<restante_source>();
    handle->source = std::make_shared<CallbackSource>(table);
    *out_source = handle.release();
    return {};
  });
}

void restante_source_free(restante_source* source) { delete source; }

std::int32_t restante_account_sink_put(restante_account_sink* sink, const restante_account* account,
                                       restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(sink, "sink"); !null.ok()) return null;
    if (!sink->failure.ok()) return sink->failure;
    AccountPut put;
    Status status = account_from_c(account, put.account);
    if (status.ok()) status = validate(put);
    if (status.ok()) status = sink->each(put.account);
    sink->failure = status;
    return status;
  });
}

std::int32_t restante_op_sink_put(restante_op_sink* sink, restante_ops* ops, restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(sink, "sink"); !null.ok()) return null;
    if (Status null = require(ops, "ops"); !null.ok()) return null;
    if (!sink->failure.ok()) return sink->failure;
    ops->forget_reads();
    sink->failure = put_all(*sink, ops->own);
    ops->own.clear();
    return sink->failure;
  });
}

std::int32_t restante_op_sink_set_as_of(restante_op_sink* sink, std::uint64_t lsn,
                                        restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status null = require(sink, "sink"); !null.ok()) return null;
    if (!sink->is_snapshot) return invalid("only a snapshot has a position");
    sink->info.as_of = lsn;
    return {};
  });
}

std::int32_t restante_content_reply_bytes(restante_content_reply* reply, const void* data, std::size_t size,
                                          restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = check_unanswered(reply); !wrong.ok()) return wrong;
    if (Status wrong = check_array(data, size, "data"); !wrong.ok()) return wrong;
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    reply->reader = read_from_memory(size == 0 ? Bytes() : Bytes(bytes, bytes + size));
    return {};
  });
}

std::int32_t restante_content_reply_reader(restante_content_reply* reply, restante_read_function read,
                                           void* user_data, restante_release_function release,
                                           restante_error** out_error) {
  return guarded(out_error, [&]() -> Status {
    if (Status wrong = check_unanswered(reply); !wrong.ok()) return wrong;
    if (read == nullptr) return invalid("read is NULL");
    reply->reader = std::make_unique<CallbackReader>(read, user_data, release);
    return {};
  });
}
