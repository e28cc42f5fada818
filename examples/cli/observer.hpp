#pragma once
// Takes what the library would tell an operator to the console.

#include <restante/runtime.hpp>

#include <string_view>

#include "console.hpp"

namespace cli {

class ConsoleObserver final : public restante::Observer {
 public:
  explicit ConsoleObserver(Console& console) : console_(console) {}
  void log(Level level, std::string_view message) override {
    if (level == Level::warning || level == Level::error) console_.warn(message);
  }

 private:
  Console& console_;
};

}  // namespace cli
