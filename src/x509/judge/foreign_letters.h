#pragma once

#include "x509/content/content.h"
#include "x509/names/name.h"

#include <string>

// Letters that may look like others ("wwԝ"), for whoever decides about a certificate by reading it.
namespace hsmbridge::x509 {

// Which characters are not ASCII, wherever a person reads a name or a notice: "NOT ASCII, in CN: U+0430; upn: U+0435".
// "" for none. `issuer`: empty where it is not known.
std::string foreign_letters(const Content& content, const Name& issuer = {});

}  // namespace hsmbridge::x509
