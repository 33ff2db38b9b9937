#include "service/effects/hook.h"

#include "base/error.h"
#include "base/json.h"
#include "base/program.h"

namespace hsmbridge::service {

std::vector<std::string> hook_argv(const std::string& text) {
  if (text.empty()) throw Error{ErrorKind::invalid_input, "a hook needs a program to run"};
  if (text.front() != '[') return {text};
  std::vector<std::string> argv;
  const auto words = Json::parse(text);
  for (const auto& element : words.as_array()) argv.push_back(element.as_string());
  if (argv.empty() || argv.front().empty()) throw Error{ErrorKind::invalid_input, "a hook needs a program to run"};
  for (const auto& word : argv) {
    if (word.find('\0') != std::string::npos) {
      throw Error{ErrorKind::invalid_input, "an argument of a hook holds a zero byte"};
    }
  }
  return argv;
}

void run_hook(const Hook& hook) {
  run({"the hook", "it is run after an installation", hook.argv, hook.environment, hook.input, hook.time_limit});
}

}  // namespace hsmbridge::service
