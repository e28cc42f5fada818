#pragma once
// SQLite, as little of it as the store needs.

#include <restante/status.hpp>

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tinystore {

using restante::Result;
using restante::Status;

/// A statement with its values, and its rows. The first failure is kept: there are no more rows then.
///
///     Query query(db, "SELECT id FROM folders WHERE account = ?", account);
///     while (query.next()) use(query.text(0));
///     return query.status();
class Query {
 public:
  template <class... Values>
  Query(sqlite3* db, const char* sql, const Values&... values) : db_(db) {
    prepare(sql);
    (bind(values), ...);
  }
  ~Query() { sqlite3_finalize(statement_); }
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  bool next();
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
  [[nodiscard]] bool is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }
  [[nodiscard]] std::string text(int column) const;

 private:
  void prepare(const char* sql);
  void bind(std::string_view text);
  void bind(std::int64_t number);
  void keep(int code);

  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  Status status_;
};

class Database {
 public:
  /// Opens or makes the file. Nothing is in it yet when it is new.
  [[nodiscard]] static Result<Database> open(const std::string& path);
  /// How it is written. With the store's lock: a database is made what it is by one at a time.
  Status configure();

  [[nodiscard]] sqlite3* get() const { return db_.get(); }
  /// Runs one statement to its end.
  template <class... Values>
  Status run(const char* sql, const Values&... values) {
    Query query(db_.get(), sql, values...);
    while (query.next()) {
    }
    return query.status();
  }

 private:
  struct Close {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  std::unique_ptr<sqlite3, Close> db_;
};

/// What is changed between its beginning and `commit` is changed together or, without `commit`, not at all.
class Change {
 public:
  explicit Change(Database& db) : db_(db), begun_(db.run("BEGIN IMMEDIATE")) {}
  ~Change();
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  [[nodiscard]] const Status& begun() const { return begun_; }
  Status commit();

 private:
  Database& db_;
  Status begun_;
  bool committed_ = false;
};

}  // namespace tinystore
