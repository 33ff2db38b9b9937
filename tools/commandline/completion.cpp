#include "tools/commandline/help.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace hsmbridge::commandline {

namespace {

bool names_a_file(std::string_view placeholder) {
  return placeholder == "FILE" || placeholder == "DIRECTORY" || placeholder == "DIR" || placeholder == "PATH";
}

// The words of "pem|der"; none where there is no bar.
std::vector<std::string> alternatives(std::string_view placeholder) {
  std::vector<std::string> words;
  if (placeholder.find('|') == std::string_view::npos) return words;
  for (const char c : placeholder) {
    if (words.empty() || c == '|') words.emplace_back();
    if (c != '|') words.back() += c;
  }
  return words;
}

const Option* find_option(const std::vector<Option>& options, std::string_view name) {
  const auto found = std::find_if(options.begin(), options.end(), [&](const Option& one) { return one.name == name; });
  return found == options.end() ? nullptr : &*found;
}

// Reads the words before the last as the parser does, and offers what may come next.
class Completion {
 public:
  explicit Completion(const Program& program) : program_(program) {}

  void read(const std::string& word) {
    if (wants_value_ != nullptr) return note_value(*std::exchange(wants_value_, nullptr), word);
    if (!only_arguments_ && word.size() > 1 && word.front() == '-') {
      only_arguments_ = word == "--";
      given_.push_back(word.substr(0, word.find('=')));
      const Option* option = find(given_.back());
      if (option == nullptr || option->value.empty()) return;
      if (given_.back().size() == word.size()) {
        wants_value_ = option;
      } else {
        note_value(*option, word.substr(given_.back().size() + 1));
      }
      return;
    }
    if (command_ != nullptr) {
      ++arguments_;
    } else if (noun_.empty()) {
      noun_ = word;
      command_ = command_of("");
    } else {
      command_ = command_of(word);
      lost_ = command_ == nullptr;
    }
  }

  Candidates offer(const std::string& beginning) {
    beginning_ = beginning;
    if (lost_) return {};
    if (wants_value_ != nullptr) {
      offer_values(wants_value_->name, wants_value_->value, "");
    } else if (!only_arguments_ && beginning.starts_with('-')) {
      const std::size_t equals = beginning.find('=');
      const Option* option = equals == std::string::npos ? nullptr : find(beginning.substr(0, equals));
      if (option != nullptr) {
        offer_values(option->name, option->value, beginning.substr(0, equals + 1));
      } else {
        offer_options();
      }
    } else if (noun_.empty()) {
      for (const Noun& noun : program_.nouns) add(noun.name, noun.help);
    } else if (command_ == nullptr) {
      for (const Command& command : program_.commands) {
        if (command.noun == noun_) add(command.verb, command.help);
      }
    } else {
      const auto& list = command_->positionals;
      if (arguments_ < list.size()) {
        offer_values(list[arguments_].name, list[arguments_].name, "");
      } else if (!list.empty() && list.back().times == Times::many) {
        offer_values(list.back().name, list.back().name, "");
      } else if (beginning.empty() && !only_arguments_) {
        offer_options();
      }
    }
    return std::move(candidates_);
  }

 private:
  const Command* command_of(std::string_view verb) const {
    for (const Command& command : program_.commands) {
      if (command.noun == noun_ && command.verb == verb) return &command;
    }
    return nullptr;
  }
  const Option* find(std::string_view name) const {
    const Option* option = command_ == nullptr ? nullptr : find_option(command_->options, name);
    return option != nullptr ? option : find_option(program_.options, name);
  }
  void note_value(const Option& option, const std::string& value) {
    if (option.name != "--config") return;
    // bash gives words as they were typed.
    const char* const home = value.starts_with("~/") ? std::getenv("HOME") : nullptr;
    config_ = home == nullptr ? value : home + value.substr(1);
  }

  void add(std::string_view text, std::string_view help) {
    if (!text.empty() && text.starts_with(beginning_)) {
      candidates_.words.push_back({std::string(text), std::string(help)});
    }
  }
  void offer_options() {
    const auto offer = [this](const std::vector<Option>& options) {
      for (const Option& option : options) {
        const bool given = std::find(given_.begin(), given_.end(), option.name) != given_.end();
        if (!given || option.times == Times::many) add(option.name, option.help);
      }
    };
    if (command_ != nullptr) offer(command_->options);
    offer(program_.options);
  }
  // `before`: what stands before the value in the same word, "--token=".
  void offer_values(std::string_view name, std::string_view placeholder, const std::string& before) {
    candidates_.files = names_a_file(placeholder);
    for (const std::string& word : alternatives(placeholder)) {
      if (names_a_file(word)) {
        candidates_.files = true;
      } else {
        add(before + word, "");
      }
    }
    if (noun_ == kHelpNoun.name && name == "NOUN") {
      for (const Noun& noun : program_.nouns) add(noun.name, noun.help);
      for (const Topic& topic : program_.topics) add(topic.name, topic.summary);
    }
    if (program_.values == nullptr || command_ == nullptr) return;
    try {
      for (const std::string& value : program_.values({*command_, config_}, name)) add(before + value, "");
    } catch (const Error&) {
      // Nobody is helped by a message in the middle of his typing.
    }
  }

  const Program& program_;
  std::string noun_;
  const Command* command_ = nullptr;
  bool lost_ = false;  // a word that is no verb: nothing can follow
  std::size_t arguments_ = 0;
  std::vector<std::string> given_;  // options
  const Option* wants_value_ = nullptr;
  bool only_arguments_ = false;  // after "--"
  std::optional<std::filesystem::path> config_;
  std::string beginning_;
  Candidates candidates_;
};

}  // namespace

Candidates complete(const Program& program, const std::vector<std::string>& typed) {
  if (typed.empty()) return {};
  Completion completion(program);
  for (std::size_t i = 0; i + 1 < typed.size(); ++i) completion.read(typed[i]);
  return completion.offer(typed.back());
}

}  // namespace hsmbridge::commandline
