(function_declaration name: (identifier) @name) @function
(generator_function_declaration name: (identifier) @name) @function
(method_definition name: (_) @name) @function
(class_declaration name: (identifier) @name) @class
(variable_declarator name: (identifier) @name value: [(arrow_function) (function_expression)]) @function
