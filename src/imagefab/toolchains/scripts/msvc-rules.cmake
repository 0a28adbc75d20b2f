# For projects to which CMAKE_MSVC_RUNTIME_LIBRARY says nothing yet.
foreach(language C CXX)
    string(REPLACE "/MDd" "/MD" CMAKE_${language}_FLAGS_DEBUG_INIT "${CMAKE_${language}_FLAGS_DEBUG_INIT}")
endforeach()
