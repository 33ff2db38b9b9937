#pragma once

#include "base/json.h"

#include <filesystem>
#include <mutex>

namespace hsmbridge::rig {

// A file of JSON lines (mode 0600) that is only appended to. Each line goes out in one write(2), so that a killed
// program leaves whole lines, or one torn line at the end, which reading ignores. Not synced: a rig survives its own
// death, not the machine's. Thread rule: append may be called from any thread.
class LineFile {
 public:
  // Opens, or makes, the file. Throws denied, unavailable.
  explicit LineFile(std::filesystem::path path);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  void append(const Json& line);
  // Replaces the whole content in one step.
  void rewrite(const Json::Array& lines);
  const std::filesystem::path& path() const { return path_; }

  // The lines of a file; none when it does not exist.
  static Json::Array read(const std::filesystem::path& path);

 private:
  void open();

  std::filesystem::path path_;
  std::mutex mutex_;
  int file_ = -1;
};

}  // namespace hsmbridge::rig
