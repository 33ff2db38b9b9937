#include "pkcs11/token/module.h"

#include "base/trust.h"
#include "pkcs11/cryptoki/mechanism_name.h"
#include "pkcs11/cryptoki/return_code.h"
#include "pkcs11/token/module_state.h"
#include "pkcs11/token/uri.h"

#include <dlfcn.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

namespace hsmbridge::pkcs11 {
namespace {

std::string version_text(const CK_VERSION& version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

struct FlagName {
  CK_FLAGS flag;
  std::string_view name;
};

constexpr FlagName kTokenFlags[] = {
    {CKF_RNG, "rng"},
    {CKF_WRITE_PROTECTED, "write_protected"},
    {CKF_LOGIN_REQUIRED, "login_required"},
    {CKF_USER_PIN_INITIALIZED, "user_pin_initialized"},
    {CKF_RESTORE_KEY_NOT_NEEDED, "restore_key_not_needed"},
    {CKF_CLOCK_ON_TOKEN, "clock_on_token"},
    {CKF_PROTECTED_AUTHENTICATION_PATH, "protected_authentication_path"},
    {CKF_DUAL_CRYPTO_OPERATIONS, "dual_crypto_operations"},
    {CKF_TOKEN_INITIALIZED, "token_initialized"},
    {CKF_SECONDARY_AUTHENTICATION, "secondary_authentication"},
    {CKF_USER_PIN_COUNT_LOW, "user_pin_count_low"},
    {CKF_USER_PIN_FINAL_TRY, "user_pin_final_try"},
    {CKF_USER_PIN_LOCKED, "user_pin_locked"},
    {CKF_USER_PIN_TO_BE_CHANGED, "user_pin_to_be_changed"},
    {CKF_SO_PIN_COUNT_LOW, "so_pin_count_low"},
    {CKF_SO_PIN_FINAL_TRY, "so_pin_final_try"},
    {CKF_SO_PIN_LOCKED, "so_pin_locked"},
    {CKF_SO_PIN_TO_BE_CHANGED, "so_pin_to_be_changed"},
};

constexpr FlagName kMechanismFlags[] = {
    {CKF_HW, "hw"},
    {CKF_ENCRYPT, "encrypt"},
    {CKF_DECRYPT, "decrypt"},
    {CKF_DIGEST, "digest"},
    {CKF_SIGN, "sign"},
    {CKF_SIGN_RECOVER, "sign_recover"},
    {CKF_VERIFY, "verify"},
    {CKF_VERIFY_RECOVER, "verify_recover"},
    {CKF_GENERATE, "generate"},
    {CKF_GENERATE_KEY_PAIR, "generate_key_pair"},
    {CKF_WRAP, "wrap"},
    {CKF_UNWRAP, "unwrap"},
    {CKF_DERIVE, "derive"},
    {CKF_EC_F_P, "ec_f_p"},
    {CKF_EC_NAMEDCURVE, "ec_namedcurve"},
    {CKF_EC_UNCOMPRESS, "ec_uncompress"},
    {CKF_EC_COMPRESS, "ec_compress"},
};

template <std::size_t Count>
std::vector<std::string> flag_names(CK_FLAGS flags, const FlagName (&table)[Count]) {
  std::vector<std::string> names;
  for (const FlagName& row : table) {
    if ((flags & row.flag) != 0) names.emplace_back(row.name);
  }
  return names;
}

// Not found by a search is told apart from found but useless: the two have different remedies.
void refuse_missing_file(const std::filesystem::path& path) {
  std::error_code ignored;
  if (path.has_parent_path() && !std::filesystem::exists(path, ignored)) {
    throw Error{ErrorKind::not_found, fmt::format("PKCS#11 module {} does not exist", path.string())}.hint(
        "give the path of the vendor's library, for SoftHSM /usr/lib/softhsm/libsofthsm2.so");
  }
}

CK_FUNCTION_LIST* load_functions(const std::filesystem::path& path) {
  refuse_missing_file(path);
  // A bare name is searched for by the loader, in folders of the system.
  if (path.has_parent_path()) expect_trusted(path, {"it is loaded into this program"});
  // Never closed: a thread that hangs inside the module would return into unmapped memory.
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const why = ::dlerror();
    throw Error{ErrorKind::invalid_input, fmt::format("cannot load the PKCS#11 module {}: {}", path.string(),
                                                      why == nullptr ? "unknown reason" : why)}
        .hint("check the module's path and that the libraries it needs are installed");
  }
  void* const symbol = ::dlsym(library, "C_GetFunctionList");
  if (symbol == nullptr) {
    throw Error{ErrorKind::invalid_input,
                fmt::format("{} is not a PKCS#11 module: it does not export C_GetFunctionList", path.string())}
        .hint("check the module's path");
  }
  CK_C_GetFunctionList get_function_list = nullptr;
  static_assert(sizeof get_function_list == sizeof symbol);
  std::memcpy(&get_function_list, &symbol, sizeof symbol);
  CK_FUNCTION_LIST* functions = nullptr;
  const CK_RV rv = get_function_list(&functions);
  if (rv != CKR_OK || functions == nullptr) {
    throw TokenFailure(rv == CKR_OK ? CKR_GENERAL_ERROR : rv, "C_GetFunctionList",
                       fmt::format("use the module {}", path.string()));
  }
  return functions;
}

}  // namespace

std::string padded_text(const unsigned char* field, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(field), size);
  text.resize(std::min(text.find('\0'), text.size()));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

void ModuleState::refuse_in_child() const {
  if (::getpid() != process) {
    throw Error{ErrorKind::internal, "a forked child uses the PKCS#11 module of its parent"};
  }
}

void ModuleState::initialize() {
  const std::lock_guard lock(mutex);
  CK_C_INITIALIZE_ARGS wanted{};
  wanted.flags = CKF_OS_LOCKING_OK;
  if (!arguments.empty()) wanted.pReserved = arguments.data();
  const CK_RV rv = functions->C_Initialize(&wanted);
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
    throw TokenFailure(rv, "C_Initialize", fmt::format("initialise the module {}", path.string()))
        .with("module", path.string());
  }
}

PinState pin_state(CK_FLAGS flags, UserType user) {
  const bool officer = user == kSecurityOfficer;
  if ((flags & (officer ? CKF_SO_PIN_LOCKED : CKF_USER_PIN_LOCKED)) != 0) return PinState::locked;
  if ((flags & (officer ? CKF_SO_PIN_FINAL_TRY : CKF_USER_PIN_FINAL_TRY)) != 0) return PinState::final_try;
  if (!officer && (flags & CKF_USER_PIN_INITIALIZED) == 0) return PinState::not_set;
  if ((flags & (officer ? CKF_SO_PIN_COUNT_LOW : CKF_USER_PIN_COUNT_LOW)) != 0) return PinState::count_low;
  return PinState::fine;
}

namespace {

// A question that changes nothing is asked once more: an answer that was lost on its way is no fact about the token.
template <class RequestedContent>
void ask_twice(std::string_view function, const std::string& doing, RequestedContent ask) {
  CK_RV rv = ask();
  if (rv != CKR_OK && rv != CKR_CRYPTOKI_NOT_INITIALIZED) rv = ask();
  if (rv != CKR_OK) throw TokenFailure(rv, function, doing);
}

std::vector<CK_SLOT_ID> slot_list(const ModuleState& module) {
  const std::string doing = fmt::format("list the slots of {}", module.path.string());
  std::vector<CK_SLOT_ID> slots;
  ask_twice("C_GetSlotList", doing, [&] {
    CK_RV rv = CKR_BUFFER_TOO_SMALL;
    // The number may grow between the two calls.
    for (int attempt = 0; attempt < 5 && rv == CKR_BUFFER_TOO_SMALL; ++attempt) {
      CK_ULONG count = 0;
      rv = module.functions->C_GetSlotList(CK_TRUE, nullptr, &count);
      if (rv != CKR_OK) return rv;
      slots.resize(count + 4);
      count = slots.size();
      rv = module.functions->C_GetSlotList(CK_TRUE, slots.data(), &count);
      if (rv == CKR_OK) slots.resize(std::min<std::size_t>(count, slots.size()));
    }
    return rv;
  });
  return slots;
}

// Whether each attribute that the token's URI states is true of the other one.
bool describes(const TokenInfo& token, const TokenInfo& other) {
  const auto says = [](const std::string& stated, const std::string& found) {
    return stated.empty() || stated == found;
  };
  return says(token.label, other.label) && says(token.manufacturer, other.manufacturer) &&
         says(token.model, other.model) && says(token.serial, other.serial);
}

std::string token_uri(const TokenInfo& info, std::optional<unsigned long> slot) {
  return format_uri({.token = info.label,
                     .manufacturer = info.manufacturer,
                     .serial = info.serial,
                     .model = info.model,
                     .slot = slot,
                     .id = {},
                     .object = {},
                     .type = {}});
}

void make_uris_distinct(std::vector<SlotContents>& tokens) {
  for (SlotContents& one : tokens) {
    const bool alone = std::none_of(tokens.begin(), tokens.end(), [&](const SlotContents& other) {
      return other.info.slot != one.info.slot && other.info.initialized && describes(one.info, other.info);
    });
    if (!alone) one.info.uri = token_uri(one.info, one.info.slot);
  }
}

}  // namespace

CK_INFO module_info_of(const ModuleState& module) {
  CK_INFO info{};
  ask_twice("C_GetInfo", fmt::format("describe {}", module.path.string()),
            [&] { return module.functions->C_GetInfo(&info); });
  return info;
}

namespace {

std::string reading_slot(const ModuleState& module, CK_SLOT_ID slot) {
  return fmt::format("read the token in slot {} of {}", slot, module.path.string());
}

CK_TOKEN_INFO ask_token(const ModuleState& module, CK_SLOT_ID slot) {
  CK_TOKEN_INFO token{};
  ask_twice("C_GetTokenInfo", reading_slot(module, slot),
            [&] { return module.functions->C_GetTokenInfo(slot, &token); });
  return token;
}

TokenInfo described(const CK_TOKEN_INFO& token, CK_SLOT_ID slot) {
  TokenInfo info;
  info.slot = slot;
  info.label = padded_text(token.label, sizeof token.label);
  info.manufacturer = padded_text(token.manufacturerID, sizeof token.manufacturerID);
  info.model = padded_text(token.model, sizeof token.model);
  info.serial = padded_text(token.serialNumber, sizeof token.serialNumber);
  info.hardware_version = version_text(token.hardwareVersion);
  info.firmware_version = version_text(token.firmwareVersion);
  info.flags = flag_names(token.flags, kTokenFlags);
  info.initialized = (token.flags & CKF_TOKEN_INITIALIZED) != 0;
  info.write_protected = (token.flags & CKF_WRITE_PROTECTED) != 0;
  info.protected_authentication_path = (token.flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
  info.login_required = (token.flags & CKF_LOGIN_REQUIRED) != 0;
  info.user_pin = pin_state(token.flags, kUser);
  info.so_pin = pin_state(token.flags, kSecurityOfficer);
  const bool told = token.ulMaxSessionCount != CK_UNAVAILABLE_INFORMATION;
  info.most_sessions = told ? token.ulMaxSessionCount : 0;
  info.uri = token_uri(info, {});
  return info;
}

}  // namespace

SlotContents slot_contents(const ModuleState& module, CK_SLOT_ID slot) {
  SlotContents found;
  ask_twice("C_GetSlotInfo", reading_slot(module, slot),
            [&] { return module.functions->C_GetSlotInfo(slot, &found.slot); });
  found.token = ask_token(module, slot);
  found.info = described(found.token, slot);
  found.info.slot_description = padded_text(found.slot.slotDescription, sizeof found.slot.slotDescription);
  return found;
}

TokenInfo token_info_of(const ModuleState& module, CK_SLOT_ID slot) {
  return described(ask_token(module, slot), slot);
}

Slots slots_with_token(const ModuleState& module) {
  Slots slots;
  for (const CK_SLOT_ID slot : slot_list(module)) {
    try {
      slots.read.push_back(slot_contents(module, slot));
    } catch (const TokenFailure& failure) {
      if (failure.code() == CKR_CRYPTOKI_NOT_INITIALIZED) throw;
      slots.unread.push_back(failure);
    }
  }
  make_uris_distinct(slots.read);
  return slots;
}

Module::Module(std::unique_ptr<ModuleState> state) : state_(std::move(state)) {}

std::shared_ptr<Module> Module::load(const std::filesystem::path& path, const std::string& arguments) {
  // A module that hangs in C_Initialize holds its own lock, and no other module's.
  struct Place {
    std::mutex mutex;
    std::shared_ptr<Module> module;
  };
  // Leaked on purpose, with every module in it: threads that a hung module holds outlive main().
  static auto* const mutex = new std::mutex;
  static auto* const places = new std::map<std::string, Place>;  // a map: what is in it never moves
  std::error_code ignored;
  const std::filesystem::path real = path.has_parent_path() ? std::filesystem::weakly_canonical(path, ignored) : path;
  Place& place = [&]() -> Place& {
    const std::lock_guard lock(*mutex);
    return (*places)[real.string()];
  }();
  const std::lock_guard lock(place.mutex);
  if (place.module) return place.module;

  auto state = std::make_unique<ModuleState>();
  state->path = path;
  state->arguments = arguments;
  state->process = ::getpid();
  state->functions = load_functions(path);
  state->initialize();
  place.module = std::shared_ptr<Module>(new Module(std::move(state)));
  return place.module;
}

ModuleInfo Module::info() const {
  state_->refuse_in_child();
  const CK_INFO info = module_info_of(*state_);
  return {.path = state_->path,
          .description = padded_text(info.libraryDescription, sizeof info.libraryDescription),
          .manufacturer = padded_text(info.manufacturerID, sizeof info.manufacturerID),
          .library_version = version_text(info.libraryVersion),
          .cryptoki_version = version_text(info.cryptokiVersion)};
}

std::vector<TokenInfo> Module::tokens(std::vector<Error>& unread) const {
  state_->refuse_in_child();
  Slots slots = slots_with_token(*state_);
  std::vector<TokenInfo> tokens;
  for (SlotContents& slot : slots.read) tokens.push_back(std::move(slot.info));
  // A card pulled since the slots were listed is not there, which is no failure.
  for (const TokenFailure& failure : slots.unread) {
    if (failure.recovery() != Recovery::reinitialize) unread.push_back(failure);
  }
  return tokens;
}

std::vector<TokenInfo> Module::tokens() const {
  std::vector<Error> unread;
  std::vector<TokenInfo> tokens = this->tokens(unread);
  if (!unread.empty()) throw std::move(unread.front());
  return tokens;
}

std::vector<unsigned long> Module::mechanism_types(unsigned long slot) const {
  state_->refuse_in_child();
  std::vector<CK_MECHANISM_TYPE> types;
  ask_twice("C_GetMechanismList", fmt::format("list the mechanisms of slot {}", slot), [&] {
    // More than any token has; where one has more it says how many.
    CK_ULONG count = 1024;
    types.resize(count);
    CK_RV rv = state_->functions->C_GetMechanismList(slot, types.data(), &count);
    if (rv == CKR_BUFFER_TOO_SMALL) {
      rv = state_->functions->C_GetMechanismList(slot, nullptr, &count);
      if (rv != CKR_OK) return rv;
      types.resize(count);
      rv = state_->functions->C_GetMechanismList(slot, types.data(), &count);
    }
    if (rv == CKR_OK) types.resize(std::min<std::size_t>(count, types.size()));
    return rv;
  });
  return types;
}

std::optional<MechanismInfo> Module::mechanism(unsigned long slot, unsigned long type) const {
  state_->refuse_in_child();
  CK_MECHANISM_INFO info{};
  bool described = true;
  ask_twice("C_GetMechanismInfo", fmt::format("describe {} of slot {}", mechanism_name(type), slot), [&] {
    const CK_RV rv = state_->functions->C_GetMechanismInfo(slot, type, &info);
    // Listed but not described: some modules do that for mechanisms that a policy switched off.
    described = rv != CKR_MECHANISM_INVALID;
    return described ? rv : CKR_OK;
  });
  if (!described) return std::nullopt;
  return MechanismInfo{.type = type,
                       .name = mechanism_name(type),
                       .least_bits = info.ulMinKeySize,
                       .most_bits = info.ulMaxKeySize,
                       .flags = flag_names(info.flags, kMechanismFlags)};
}

}  // namespace hsmbridge::pkcs11
