#pragma once

#include "base/file.h"
#include "base/json.h"
#include "support/temp_folder.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;

namespace hsmbridge::test {

// `hsmbridge-rig serve SERVICE` in a process and a folder of its own, ended with the test.
class RunningRig {
 public:
  explicit RunningRig(const std::vector<std::string>& more = {}, const std::string& service = "tsb") {
    std::vector<std::string> words{HSMBRIDGE_RIG, "serve", service, "--dir", dir()};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    const int code = ::posix_spawn(&pid_, HSMBRIDGE_RIG, &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (code != 0) throw std::runtime_error("cannot start the rig");
    // A bounded wait for a real process: it writes this file when it listens.
    const std::filesystem::path ready = folder_ / "rig" / (service + ".json");
    for (int i = 0; i < 3000 && !std::filesystem::exists(ready); ++i) {
      const timespec pause{0, 10'000'000};
      ::nanosleep(&pause, nullptr);
    }
    about_ = Json::parse(as_text(read_file(ready)));
  }
  ~RunningRig() {
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(pid_, &status, 0);
  }
  RunningRig(const RunningRig&) = delete;
  RunningRig& operator=(const RunningRig&) = delete;

  const TempFolder& folder() const { return folder_; }
  std::string dir() const { return (folder_ / "rig").string(); }
  const Json& about() const { return about_; }
  std::string api_key(const std::string& role) const {
    return about_.at("api_keys").at(role).as_array().at(0).as_string();
  }
  // `hsmbridge-rig WORDS --dir DIR`.
  void command(const std::string& words) const {
    const std::string line = std::string(HSMBRIDGE_RIG) + " " + words + " --dir " + dir() + " >/dev/null 2>&1";
    if (std::system(line.c_str()) != 0) throw std::runtime_error("failed: " + words);
  }
  // "POST /v1/sign 201" and so on, everything that reached the server.
  std::vector<std::string> journal() const {
    std::vector<std::string> lines;
    const Bytes content = read_file(about_.at("journal").as_string());
    std::string_view rest = as_text(content);
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      const Json line = Json::parse(rest.substr(0, end));
      lines.push_back(line.at("method").as_string() + " " + line.at("path").as_string() + " " +
                      std::to_string(line.integer_or("status", 0)));
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    }
    return lines;
  }
  std::size_t count(const std::string& prefix) const {
    std::size_t found = 0;
    for (const std::string& line : journal()) found += line.starts_with(prefix) ? 1 : 0;
    return found;
  }

 private:
  TempFolder folder_;
  pid_t pid_ = -1;
  Json about_;
};

}  // namespace hsmbridge::test
