#pragma once

#include <string>
#include <string_view>

namespace hsmbridge::x509 {

// A certificate's serial number as people copy it from programs: "4A3B", "0x4a3b", "4A:3B", "4a 3b", "serial=4A3B"
// (openssl x509 -serial), "Serial Number: 4a:3b" and "19003 (0x4a3b)" (openssl x509 -text). Digits alone are
// hexadecimal. Gives it as serial_text writes it: "4a3b". Throws invalid_input naming the text.
std::string parse_serial(std::string_view text);
// Whether two spellings mean one number; false where one of them is none.
bool same_serial(std::string_view one, std::string_view other);

}  // namespace hsmbridge::x509
