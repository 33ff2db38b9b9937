// The log of serial numbers beside a store, and what it tells of one that is an older copy of itself.
#include "providers/local/serial_log.h"

#include "base/error.h"
#include "base/file.h"
#include "support/error_of.h"
#include "support/temp_folder.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace hsmbridge;
using namespace hsmbridge::test;

namespace {

struct Logged {
  TempFolder folder;
  std::filesystem::path file = folder / "serial.log";
  std::set<std::string> known{"0a", "0b", "0c"};
  local::SerialLog log{file};

  static std::string line(const std::string& number) {
    return "V\t270101000000Z\t\t" + number + "\tunknown\tCN=www.example.com\n";
  }
  static x509::TbsCertificate tbs(std::uint8_t number) {
    x509::TbsCertificate made;
    made.serial = {number};
    made.validity.not_after = parse_rfc3339("2027-01-01T00:00:00Z");
    made.content.subject = x509::Name::parse("CN=www.example.com");
    return made;
  }
  void append(std::uint8_t number) {
    log.append(tbs(number), [this](const std::string& serial) { return known.count(serial) != 0; });
  }
  std::string there() const { return to_text(read_file(file)); }
  void write(const std::string& text) const {
    write_file(file, to_bytes(text), FileMode::private_0600, Existing::replace);
  }
};

}  // namespace

TEST_CASE_METHOD(Logged, "each number that is about to be signed is a line, and lines of other processes are kept") {
  append(0x0A);
  CHECK(there() == line("0A"));
  write(there() + line("0B"));
  append(0x0C);
  append(0x0C);
  CHECK(there() == line("0A") + line("0B") + line("0C") + line("0C"));
  // A file that was begun anew is read again.
  write("");
  append(0x0A);
  CHECK(there() == line("0A"));
}

TEST_CASE_METHOD(Logged, "where the log has a number that the store has not given, nothing is added") {
  SECTION("before the first one") {
    write(line("0A") + line("0D") + line("0B"));
    CHECK_FALSE(there().empty());
  }
  SECTION("since the last one") {
    append(0x0A);
    write(there() + line("0D"));
    CHECK_FALSE(there().empty());
  }
  SECTION("in a last line without an end") {
    std::string text = line("0A") + line("0D");
    text.pop_back();
    write(text);
    CHECK_FALSE(there().empty());
  }
  SECTION("within what is read of a long log") {
    std::string text;
    for (int i = 0; i < 3000; ++i) text += line("0A");
    write(text + line("0D") + line("0A"));
    CHECK_FALSE(there().empty());
  }
  const std::string before = there();
  const Error error = error_of([&] { append(0x0B); });
  CHECK(error.kind() == ErrorKind::unavailable);
  CHECK(error.message().find("has the number 0d, which this store has not given") != std::string::npos);
  CHECK(error.hint().find("hsmbridge ca resume") != std::string::npos);
  CHECK(there() == before);
  known.insert("0d");
  append(0x0B);
  CHECK(there().ends_with("\n" + line("0B")));
}

TEST_CASE_METHOD(Logged, "half a line is cut, a whole one without its end gets one, and another file is not touched") {
  write(line("0A") + "V\t2701");
  append(0x0B);
  CHECK(there() == line("0A") + line("0B"));
  std::string whole = line("0A");
  whole.pop_back();
  write(whole);
  append(0x0B);
  CHECK(there() == line("0A") + line("0B"));
  for (const std::string& other : {std::string("text\n"), "V\t" + std::string(70'000, 'x')}) {
    write(other);
    CHECK(error_of([&] { local::SerialLog(file).append(tbs(0x0A), [](const std::string&) { return true; }); })
              .message()
              .find("is no serial log") != std::string::npos);
    CHECK(there() == other);
  }
}
